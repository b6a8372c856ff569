"""Quarantine: what could not be used, and why. `exchange.pipeline.replay` takes it again after a fix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from exchange.model.errors import Conflict
from exchange.pipeline.ledger import Connection
from exchange.pipeline.replay import WAITING

_LAST = "9223372036854775807"
_OPEN = (
    "SELECT q.record, s.partner, s.feed, s.run, q.severity, q.code, q.expression, q.detail,"
    # What is before it names the file or key, which may be somebody's.
    " CASE WHEN starts_with(q.position, s.position) THEN ltrim(substr(q.position, length(s.position) + 1))"
    " ELSE '' END AS source"
    f" FROM quarantine q JOIN source_record s USING (record) WHERE {WAITING}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One open reason in quarantine, without a value; `source` says where in the record it comes from."""

    record: int
    partner: str
    feed: str
    run: int
    severity: str
    code: str
    expression: str
    detail: str
    source: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why records of a partner wait, with the newest of them as an example."""

    partner: str
    code: str
    expression: str
    detail: str
    records: int
    example: int


# As many reasons as a person would ever read: a map that is wholly wrong finds a few dozen.
_MOST_REASONS = 500
_COUNT = f"""
WITH found AS MATERIALIZED (
    SELECT q.record, q.code, q.expression, q.detail FROM quarantine q JOIN source_record s USING (record)
    WHERE s.partner = %(p)s AND {WAITING}
), reason AS (
    SELECT code, expression, detail, count(DISTINCT record)::int AS records, max(record) AS example
    FROM found GROUP BY 1, 2, 3 ORDER BY records DESC, example DESC LIMIT %(n)s
)
INSERT INTO quarantine_waiting (partner, records, reasons)
SELECT %(p)s, (SELECT count(DISTINCT record) FROM found),
    coalesce((SELECT jsonb_agg(to_jsonb(reason)) FROM reason), '[]')
ON CONFLICT (partner) DO UPDATE SET records = excluded.records, reasons = excluded.reasons
"""


def count_waiting(connection: Connection, partner: str) -> None:
    """Counts what of the partner's waits for a fix; the end of each run does."""
    connection.execute(_COUNT, {"p": partner, "n": _MOST_REASONS})


def waiting_records(connection: Connection) -> dict[str, int]:
    """How many records of each partner waited when its last run ended."""
    return dict(connection.execute("SELECT partner, records FROM quarantine_waiting").fetchall())


def waiting_reasons(connection: Connection, partners: Iterable[str]) -> list[Reason]:
    """Why records waited when the last run of each of these partners ended; of a partner the most first."""
    rows = connection.execute(
        "SELECT partner, reasons FROM quarantine_waiting WHERE partner = ANY(%s) ORDER BY partner",
        [list(partners)],
    )
    return [Reason(partner, **reason) for partner, reasons in rows for reason in reasons]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits; `key` and `position` are its partner's own, and may name somebody."""

    record: int
    feed: str
    run: int
    came: datetime
    key: str
    position: str


def records_waiting(
    connection: Connection, partner: str, why: tuple[str, str, str], after: int | None, limit: int
) -> list[Waiting]:
    """Records of a partner that wait for a reason (code, expression, detail), the newest first."""
    asked = dict(zip(("code", "expression", "detail"), why, strict=True))
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT DISTINCT ON (q.record) q.record, s.feed, s.run, r.started AS came, s.key, s.position"
            " FROM quarantine q JOIN source_record s USING (record) JOIN run r USING (run)"
            " WHERE s.partner = %(partner)s AND q.code = %(code)s AND q.expression = %(expression)s"
            f" AND q.detail = %(detail)s AND q.record < coalesce(%(after)s, {_LAST}) AND {WAITING}"
            " ORDER BY q.record DESC LIMIT %(limit)s",
            {"partner": partner, "after": after, "limit": limit, **asked},
        ).fetchall()


def consents_waiting(connection: Connection, after: int | None, limit: int) -> list[Finding]:
    """Consents not computable that nobody decided about, the newest first, or those before record `after`."""
    condition = (
        f"q.expression LIKE 'Consent%%' AND q.record < coalesce(%(of)s, {_LAST})"
        " AND NOT EXISTS (SELECT FROM consent_review v WHERE v.record = q.record)"
    )
    return _newest(connection, condition, after, limit)


def consent_waits(connection: Connection, record: int) -> Finding | None:
    """Why the consent of a record cannot be computed, decided about or not; None: it is none of those."""
    found = _newest(connection, "q.expression LIKE 'Consent%%' AND q.record = %(of)s", record, 1)
    return found[0] if found else None


def open_findings(connection: Connection, partner: str | None, limit: int) -> list[Finding]:
    """What waits for a fix, the newest first."""
    return _newest(connection, "(%(of)s::text IS NULL OR s.partner = %(of)s)", partner, limit)


def _newest(connection: Connection, condition: str, of: str | int | None, limit: int) -> list[Finding]:
    with connection.cursor(row_factory=class_row(Finding)) as cursor:
        return cursor.execute(
            f"{_OPEN} AND {condition} ORDER BY q.record DESC, q.ordinal LIMIT %(n)s", {"of": of, "n": limit}
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a record stood at the partner's, and where its sealed payload lies."""

    partner: str
    feed: str
    position: str
    address: str | None


def get_record(connection: Connection, record: int) -> Location:
    """One record of the ledger; raises Conflict when there is none."""
    with connection.cursor(row_factory=class_row(Location)) as cursor:
        row = cursor.execute(
            "SELECT partner, feed, position, address FROM source_record WHERE record = %s", [record]
        ).fetchone()
    if row is None:
        raise Conflict(f"no record {record} in the ledger; `exchange quarantine list` shows what waits")
    return row

"""Quarantine: what could not be used, why, and how it comes back after a fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from exchange.model.errors import Conflict
from exchange.pipeline.ledger import Connection

_OPEN = (
    "SELECT q.record, s.partner, s.feed, s.run, q.severity, q.code, q.expression, q.detail"
    " FROM quarantine q JOIN source_record s USING (record)"
    " WHERE q.replayed_by IS NULL AND q.severity IN ('error', 'fatal')"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One open reason in quarantine; says nothing of the patient."""

    record: int
    partner: str
    feed: str
    run: int
    severity: str
    code: str
    expression: str
    detail: str


def open_findings(connection: Connection, partner: str | None, limit: int) -> list[Finding]:
    """What waits for a fix, the newest first."""
    with connection.cursor(row_factory=class_row(Finding)) as cursor:
        return cursor.execute(
            f"{_OPEN} AND (%(p)s::text IS NULL OR s.partner = %(p)s)"
            " ORDER BY q.record DESC, q.ordinal LIMIT %(n)s",
            {"p": partner, "n": limit},
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


def waiting_records(connection: Connection, partner: str) -> list[int]:
    """Records of the partner with an open reason in quarantine."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT q.record FROM quarantine q JOIN source_record s USING (record)"
            " WHERE s.partner = %s AND q.replayed_by IS NULL AND q.severity IN ('error', 'fatal')"
            " AND s.chunk IS NOT NULL ORDER BY 1",
            [partner],
        )
    ]


def records_between(connection: Connection, partner: str, start: datetime, end: datetime) -> list[int]:
    """Records whose run started in [start, end)."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT s.record FROM source_record s JOIN run r USING (run) WHERE s.partner = %s"
            " AND r.started >= %s AND r.started < %s AND s.chunk IS NOT NULL AND NOT s.deleted ORDER BY 1",
            [partner, start, end],
        )
    ]


def replay(
    connection: Connection, partner: str, records: Sequence[int], size: int, at: datetime
) -> int | None:
    """Opens a run over records pulled before; returns its number, None when nothing is left to replay.

    Only the latest record of each key is taken again, so that an old state never comes back.
    """
    if connection.execute("SELECT FROM run WHERE partner = %s AND status = 'open'", [partner]).fetchone():
        raise Conflict(f"partner `{partner}` has an open run; finish it first: exchange run {partner}")
    latest = connection.execute(
        "SELECT record FROM source_record s WHERE record = ANY(%s) AND partner = %s"
        " AND address IS NOT NULL AND NOT EXISTS (SELECT FROM source_record n WHERE n.partner = s.partner"
        " AND n.feed = s.feed AND n.key = s.key AND n.record > s.record"
        " AND n.outcome NOT IN ('duplicate', 'unchanged')) ORDER BY record",
        [list(records), partner],
    ).fetchall()
    if not latest:
        return None
    row = connection.execute(
        "INSERT INTO run (partner, kind, started, pulled, pulled_all)"
        " VALUES (%s, 'replay', %s, %s, true) RETURNING run",
        [partner, at, len(latest)],
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
    run = int(row[0])
    _enter_again(connection, run, [record for (record,) in latest], size)
    return run


def _enter_again(connection: Connection, run: int, records: Sequence[int], size: int) -> None:
    connection.execute(
        "INSERT INTO source_record (run, chunk, partner, feed, key, digest, address, position, deleted,"
        " event_time) SELECT %(r)s, (row_number() OVER (ORDER BY record) - 1) / %(n)s, partner, feed, key,"
        " digest, address, position, deleted, event_time FROM source_record WHERE record = ANY(%(a)s)"
        " ORDER BY record",
        {"r": run, "n": size, "a": list(records)},
    )
    connection.execute(
        "INSERT INTO chunk SELECT run, chunk, 'pulled', count(*) FROM source_record"
        " WHERE run = %s GROUP BY run, chunk",
        [run],
    )
    connection.execute("UPDATE quarantine SET replayed_by = %s WHERE record = ANY(%s)", [run, list(records)])

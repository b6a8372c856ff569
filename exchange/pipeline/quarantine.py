"""Quarantine: what could not be used, and why. `exchange.pipeline.replay` takes it again after a fix."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from exchange.model.errors import Conflict
from exchange.pipeline.ledger import Connection
from exchange.pipeline.replay import WAITING

_OPEN = (
    "SELECT q.record, s.partner, s.feed, s.run, q.severity, q.code, q.expression, q.detail"
    f" FROM quarantine q JOIN source_record s USING (record) WHERE {WAITING}"
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

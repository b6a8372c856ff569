"""Legal holds: what must not be forgotten although its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from exchange.app.opening import Exchange
from exchange.audit import append, officer_entries
from exchange.model.errors import Conflict, ContentError
from exchange.pipeline.ledger import Connection


@dataclass(frozen=True, slots=True)
class Hold:
    """`patient` None: everything is held."""

    hold: int
    patient: UUID | None
    reason: str
    since: datetime
    set_by: str
    lifted: datetime | None
    lifted_by: str | None


def holds(exchange: Exchange, lifted: bool = False) -> list[Hold]:
    """Those in force, or all."""
    with (
        exchange.work.connect() as connection,
        connection.cursor(row_factory=class_row(Hold)) as cursor,
    ):
        return cursor.execute(
            "SELECT * FROM legal_hold WHERE %s OR lifted IS NULL ORDER BY hold", (lifted,)
        ).fetchall()


def set_hold(exchange: Exchange, patient: str | None, reason: str, officer: str) -> int:
    """From now on no raw record of the person's partners and no record of the log about him goes.

    Without a person: none at all. Raises ContentError when nobody is known by that id: a hold of nothing
    would be believed to hold.
    """
    if not reason.strip():
        raise ContentError("say why", field="--reason")
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        if patient is not None and not is_known(connection, patient):
            raise ContentError("no such Patient", field="--patient")
        row = connection.execute(
            "INSERT INTO legal_hold (patient, reason, since, set_by) VALUES (%s, %s, %s, %s) RETURNING hold",
            (patient, reason, at, officer),
        ).fetchone()
        append(connection, officer_entries("hold.set", officer, reason, [patient] if patient else [], at))
        connection.commit()
    return int(row[0]) if row else 0


def is_known(connection: Connection, patient: str) -> bool:
    """Whether it is the id of any Patient."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM patient WHERE %(p)s IN (fhir_id::text, golden_id::text))", {"p": patient}
    ).fetchone()
    return bool(row and row[0])


def lift_hold(exchange: Exchange, hold: int, reason: str, officer: str) -> None:
    """What it kept is forgotten when upkeep comes next; raises Conflict when it is not in force."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        row = connection.execute(
            "UPDATE legal_hold SET lifted = %s, lifted_by = %s WHERE hold = %s AND lifted IS NULL"
            " RETURNING patient::text",
            (at, officer, hold),
        ).fetchone()
        if row is None:
            raise Conflict(f"hold {hold} is not in force; list: exchange audit holds")
        append(connection, officer_entries("hold.lifted", officer, reason, [row[0]] if row[0] else [], at))
        connection.commit()

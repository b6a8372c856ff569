"""Which of the people who look are patients themselves: declared by an officer, told to nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from exchange.app.opening import Exchange
from exchange.app.privacy.auditing import read_log
from exchange.app.privacy.holding import is_known
from exchange.audit import append, officer_entries
from exchange.model.errors import Conflict, ContentError


@dataclass(frozen=True, slots=True)
class Member:
    """One of the workforce (45 CFR 160.103) and the Patient he is.

    `looker` is `account LOGIN`, or `user PARTICIPANT SUBJECT` for whom a participant names.
    """

    entry: int
    looker: str
    patient: UUID
    declared: datetime
    declared_by: str
    ended: datetime | None
    ended_by: str | None


def account_looker(login: str) -> str:
    """How somebody is named who signs in to the console."""
    return f"account {login}"


def user_looker(participant: str, subject: str) -> str:
    """How a participant's user is named: by `subject_id`, or `subject_name` where it gives no id."""
    return f"user {participant} {subject}"


def read_workforce(exchange: Exchange, reader: str) -> list[Member]:
    """Whoever is declared now; that `reader` looked is recorded for each person."""
    with exchange.work.connect() as connection:
        with connection.cursor(row_factory=class_row(Member)) as cursor:
            found = cursor.execute(
                "SELECT * FROM workforce_patient WHERE ended IS NULL ORDER BY looker, entry"
            ).fetchall()
        patients = sorted({str(one.patient) for one in found})
        read_log(connection, reader, "workforce that are patients", patients, exchange.work.now())
        connection.commit()
    return found


def declare_member(exchange: Exchange, looker: str, patient: str, officer: str) -> int:
    """From now on a look of his at his own home or chart is a question; returns the entry's number.

    Raises ContentError when there is no such account, participant or Patient, Conflict when it is declared.
    """
    with exchange.work.connect() as connection:
        _check(exchange, looker)
        if (
            looker.startswith("account ")
            and not connection.execute(
                "SELECT 1 FROM console_account WHERE 'account ' || login = %s", [looker]
            ).fetchone()
        ):
            raise ContentError("no such account; list: exchange console people", field="account")
        if not is_known(connection, patient):
            raise ContentError("no such Patient", field="patient")
        at = exchange.work.now()
        row = connection.execute(
            "INSERT INTO workforce_patient (looker, patient, declared, declared_by) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING entry",
            (looker, patient, at, officer),
        ).fetchone()
        if row is None:
            raise Conflict("that is declared already; list: exchange audit workforce list")
        # The log says no more than the number: it is exported, and who is whose patient is nobody's business.
        append(connection, officer_entries("workforce.declared", officer, f"entry {row[0]}", [patient], at))
        connection.commit()
    return int(row[0])


def _check(exchange: Exchange, looker: str) -> None:
    kind, _, rest = looker.partition(" ")
    participant, _, subject = rest.partition(" ")
    if kind == "user" and participant not in exchange.partners:
        raise ContentError("no such participant", field="participant", valid=sorted(exchange.partners))
    if kind == "user" and not subject.strip():
        raise ContentError("say how the participant names the user", field="user")


def end_member(exchange: Exchange, entry: int, officer: str) -> None:
    """He is asked about no more; raises Conflict when nothing is declared, or it is the officer himself."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        row = connection.execute(
            "UPDATE workforce_patient SET ended = %s, ended_by = %s"
            " WHERE entry = %s AND ended IS NULL AND looker <> 'account ' || %s RETURNING patient::text",
            (at, officer, entry, officer),
        ).fetchone()
        if row is None:
            raise Conflict(f"entry {entry} is not one that you may end; list: exchange audit workforce list")
        append(connection, officer_entries("workforce.ended", officer, f"entry {entry}", [row[0]], at))
        connection.commit()

"""What an accounting leaves out for a time at the word of an agency or official: 45 CFR 164.528(a)(2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from exchange.app.opening import Exchange
from exchange.app.privacy.auditing import read_log
from exchange.app.privacy.holding import is_known
from exchange.audit import Disclosure, accounting, append, officer_entries
from exchange.model.errors import Conflict, ContentError
from exchange.model.partner import DEFAULT_TIMEZONE
from exchange.pipeline.ledger import Connection

Statement = Literal["written", "oral"]

_LONGEST_ORAL = timedelta(days=30)
_ZONE = ZoneInfo(DEFAULT_TIMEZONE)

# The person by any id of the charts as they are linked now, as an accounting finds its disclosures.
_OF_PERSON = """s.patient IN (
    SELECT unnest(ARRAY[same.fhir_id, same.golden_id])
    FROM patient AS asked JOIN patient AS same ON same.person = asked.person
    WHERE %(patient)s::uuid IN (asked.fhir_id, asked.golden_id)
    UNION SELECT %(patient)s::uuid)
"""
_HELD_BACK = f"""
SELECT participant FROM accounting_suspension s
WHERE s.ended IS NULL AND %(day)s BETWEEN s.stated AND s.until AND {_OF_PERSON}
"""


@dataclass(frozen=True, slots=True)
class Suspension:
    """What was documented: whose accounting, of disclosures to whom, at whose word, from when to when."""

    suspension: int
    patient: UUID
    participant: str
    official: str
    statement: Statement
    stated: date
    until: date
    recorded: datetime
    recorded_by: str
    ended: datetime | None
    ended_by: str | None

    def holds(self, at: datetime) -> bool:
        """Whether it leaves anything out today."""
        return self.ended is None and self.stated <= at.astimezone(_ZONE).date() <= self.until


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement as an officer documents it; `official`: who made it, and for which agency."""

    patient: str
    participant: str
    official: str
    statement: Statement
    stated: date
    until: date


def accountable(connection: Connection, patient: str, at: datetime) -> list[Disclosure]:
    """A person's disclosures without what must not be told of today; nothing says that any was left out."""
    day = at.astimezone(_ZONE).date()
    rows = connection.execute(_HELD_BACK, {"patient": patient, "day": day}).fetchall()
    held_back = {participant for (participant,) in rows}
    return [one for one in accounting(connection, patient) if one.participant not in held_back]


def suspend(exchange: Exchange, said: Stated, officer: str) -> int:
    """From now on until its day no accounting of the person tells of that recipient; returns the number.

    Raises ContentError for a statement that the law does not know, or about nobody.
    """
    at = exchange.work.now()
    _check(exchange, said, at.astimezone(_ZONE).date())
    with exchange.work.connect() as connection:
        if not is_known(connection, said.patient):
            raise ContentError("no such Patient", field="patient")
        _check_first_word(connection, said)
        row = connection.execute(
            "INSERT INTO accounting_suspension (patient, participant, official, statement, stated, until,"
            " recorded, recorded_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING suspension",
            (
                said.patient, said.participant, said.official.strip(), said.statement, said.stated,
                said.until, at, officer,
            ),
        ).fetchone()  # fmt: skip
        number = int(row[0]) if row else 0
        told = f"suspension {number}, {said.statement}, until {said.until}"
        append(connection, officer_entries("accounting.suspended", officer, told, [said.patient], at))
        connection.commit()
    return number


def _check(exchange: Exchange, said: Stated, today: date) -> None:
    if said.participant not in exchange.partners:
        raise ContentError("no such participant", field="recipient", valid=sorted(exchange.partners))
    if not said.official.strip():
        raise ContentError("document who made the statement, and for which agency", field="official")
    if said.stated > today:
        raise ContentError("a statement is documented after it was made", field="stated")
    if said.until < said.stated:
        raise ContentError("ends before it was made", field="until")
    if said.statement == "oral" and said.until > said.stated + _LONGEST_ORAL:
        raise ContentError(
            f"an oral statement holds for thirty days: until {said.stated + _LONGEST_ORAL} at most, unless a"
            " written one comes in that time (45 CFR 164.528(a)(2)(ii)(C))",
            field="until",
        )


def _check_first_word(connection: Connection, said: Stated) -> None:
    """One oral statement after another would be more than thirty days."""
    before = connection.execute(
        "SELECT 1 FROM accounting_suspension s WHERE statement = 'oral' AND participant = %(participant)s"
        f" AND until + 1 >= %(stated)s AND {_OF_PERSON}",
        {"participant": said.participant, "stated": said.stated, "patient": said.patient},
    ).fetchone()
    if said.statement == "oral" and before:
        raise ContentError(
            "an oral statement went before: only a written one holds for longer"
            " (45 CFR 164.528(a)(2)(ii)(C))",
            field="until",
        )


def end_suspension(exchange: Exchange, number: int, officer: str) -> None:
    """Ends it before its time; raises Conflict when it does not hold."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        row = connection.execute(
            "UPDATE accounting_suspension SET ended = %s, ended_by = %s"
            " WHERE suspension = %s AND ended IS NULL AND until >= %s RETURNING patient::text",
            (at, officer, number, at.astimezone(_ZONE).date()),
        ).fetchone()
        if row is None:
            raise Conflict(f"suspension {number} does not hold; list: exchange audit suspensions")
        append(
            connection, officer_entries("accounting.resumed", officer, f"suspension {number}", [row[0]], at)
        )
        connection.commit()


def read_suspensions(exchange: Exchange, reader: str) -> list[Suspension]:
    """All that were ever documented, latest first; that `reader` looked is recorded for each person."""
    with exchange.work.connect() as connection:
        with connection.cursor(row_factory=class_row(Suspension)) as cursor:
            found = cursor.execute("SELECT * FROM accounting_suspension ORDER BY suspension DESC").fetchall()
        patients = sorted({str(one.patient) for one in found})
        read_log(connection, reader, "suspensions of accountings", patients, exchange.work.now())
        connection.commit()
    return found

"""Decisions on the officer's worklists: each stands, and is itself in the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from exchange.audit import append, officer_entries
from exchange.model.errors import Conflict
from exchange.pipeline.ledger import Connection
from exchange.pipeline.quarantine import consent_waits
from exchange.repository import (
    Closing,
    close_late_disclosure,
    emergency_access,
    late_disclosure,
    patient_of_late,
    review_emergency,
)
from exchange.repository.disclosure.care import Finding

Verdict = Literal["sent-back", "captured", "no-consent"]
"""Of a consent that cannot be computed: the partner is asked to correct it, it was taken from its paper at
the console, or it says nothing that binds."""


@dataclass(frozen=True, slots=True)
class ConsentReview:
    """What was decided about the consent of a record."""

    record: int
    decision: Verdict
    reason: str
    decided_by: str
    decided: datetime


def decide_emergency(
    connection: Connection, entry: int, finding: Finding, reason: str, officer: str, at: datetime
) -> None:
    """The after-review of a broken glass; raises Conflict when there is nothing to review."""
    review_emergency(connection, entry, finding, reason, officer, at)
    found = emergency_access(connection, entry)
    told = f"emergency {entry}, {finding}: {reason}"
    patients = [found.patient] if found else []
    append(connection, officer_entries("emergency.reviewed", officer, told, patients, at))


def decide_late(
    connection: Connection, entry: int, decision: Closing, reason: str, officer: str, at: datetime
) -> None:
    """What becomes of a disclosure before its label; raises Conflict when there is nothing to decide."""
    close_late_disclosure(connection, entry, decision, reason, officer, at)
    found = late_disclosure(connection, entry)
    patient = patient_of_late(connection, found) if found else None
    told = f"entry {entry}, {decision}: {reason}"
    append(connection, officer_entries("late.decided", officer, told, [patient] if patient else [], at))


def decide_consent(
    connection: Connection, record: int, decision: Verdict, reason: str, officer: str, at: datetime
) -> None:
    """What is done about a consent that cannot be computed; raises Conflict when it does not wait."""
    if not consent_waits(connection, record):
        raise Conflict(f"record {record} is no consent that waits; list: exchange audit uncomputable")
    made = connection.execute(
        "INSERT INTO consent_review (record, decision, reason, decided_by, decided)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (record, decision, reason, officer, at),
    )
    if not made.rowcount:
        raise Conflict(f"record {record} is decided already")
    told = f"record {record}, {decision}: {reason}"
    append(connection, officer_entries("consent.reviewed", officer, told, [], at))


def consent_reviews(connection: Connection, after: int | None, most: int) -> list[ConsentReview]:
    """Those decided, by record, the newest first."""
    with connection.cursor(row_factory=class_row(ConsentReview)) as cursor:
        return cursor.execute(
            "SELECT * FROM consent_review WHERE %(a)s::bigint IS NULL OR record < %(a)s"
            " ORDER BY record DESC LIMIT %(n)s",
            {"a": after, "n": most},
        ).fetchall()


def consent_review(connection: Connection, record: int) -> ConsentReview | None:
    """The decision on one record."""
    with connection.cursor(row_factory=class_row(ConsentReview)) as cursor:
        return cursor.execute("SELECT * FROM consent_review WHERE record = %s", (record,)).fetchone()

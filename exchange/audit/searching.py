"""The audit log for a reader: found by kind, participant, patient and time. Reading it is itself recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; empty: everything."""

    kind: str = ""
    participant: str = ""
    patient: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """One record of the log, without the query that was asked: that may hold a patient's data."""

    sequence: int
    kind: str
    participant: str | None
    patient: str | None
    at: datetime
    who: str
    purpose: str | None
    outcome: str


def find_events(conn: psycopg.Connection[Any], wanted: Wanted, limit: int) -> list[Logged]:
    """The latest records first."""
    with conn.cursor(row_factory=class_row(Logged)) as cursor:
        return cursor.execute(
            "SELECT sequence, kind, participant, patient::text, (body->>'recorded')::timestamptz AS at,"
            " coalesce(body#>>'{agent,0,who,display}', body#>>'{agent,0,who,identifier,value}', '') AS who,"
            " body#>>'{purposeOfEvent,0,coding,0,code}' AS purpose, body->>'outcome' AS outcome"
            " FROM audit_event WHERE (%(kind)s = '' OR kind = %(kind)s)"
            " AND (%(participant)s = '' OR participant = %(participant)s)"
            " AND (%(patient)s = '' OR patient::text = %(patient)s)"
            " AND (%(since)s::timestamptz IS NULL OR (body->>'recorded')::timestamptz >= %(since)s)"
            " AND (%(until)s::timestamptz IS NULL OR (body->>'recorded')::timestamptz < %(until)s)"
            " ORDER BY sequence DESC LIMIT %(limit)s",
            {
                "kind": wanted.kind, "participant": wanted.participant, "patient": wanted.patient,
                "since": wanted.since, "until": wanted.until, "limit": limit,
            },
        ).fetchall()  # fmt: skip


def get_event(conn: psycopg.Connection[Any], sequence: int) -> tuple[dict[str, Any], bytes, bytes] | None:
    """(AuditEvent, hash of the record before, own hash) of one record."""
    return conn.execute(
        "SELECT body, previous, hash FROM audit_event WHERE sequence = %s", [sequence]
    ).fetchone()

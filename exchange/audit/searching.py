"""The audit log for a reader: by kind, participant, login, patient, time. Reading it is itself recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from exchange.audit.parts import recorded


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; empty: everything."""

    kind: str = ""
    participant: str = ""
    login: str = ""
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


_AT = "(body ->> 'recorded') COLLATE \"C\""


def find_events(
    conn: psycopg.Connection[Any], wanted: Wanted, limit: int, after: int | None = None
) -> list[Logged]:
    """The latest records first, or those that come after the one with the number `after`."""
    conditions = [
        condition
        for condition, asked in (
            ("kind = %(kind)s", wanted.kind),
            ("participant = %(participant)s", wanted.participant),
            ("participant IS NULL AND body #>> '{agent,0,who,display}' = %(login)s", wanted.login),
            ("patient = %(patient)s::uuid", wanted.patient),
            (f"{_AT} >= %(since)s", wanted.since),
            (f"{_AT} < %(until)s", wanted.until),
            (
                f"({_AT}, sequence) <"
                f" ((SELECT {_AT} FROM audit_event WHERE sequence = %(after)s), %(after)s::bigint)",
                after,
            ),
        )
        if asked
    ]
    with conn.cursor(row_factory=class_row(Logged)) as cursor:
        return cursor.execute(
            "SELECT sequence, kind, participant, patient::text, (body->>'recorded')::timestamptz AS at,"
            " coalesce(body#>>'{agent,0,who,display}', body#>>'{agent,0,who,identifier,value}', '') AS who,"
            " body#>>'{purposeOfEvent,0,coding,0,code}' AS purpose, body->>'outcome' AS outcome"
            f" FROM audit_event WHERE {' AND '.join(conditions) or 'true'}"
            f" ORDER BY {_AT} DESC, sequence DESC LIMIT %(limit)s",
            {
                "kind": wanted.kind, "participant": wanted.participant, "login": wanted.login,
                "patient": wanted.patient,
                "since": wanted.since and recorded(wanted.since),
                "until": wanted.until and recorded(wanted.until), "after": after, "limit": limit,
            },
        ).fetchall()  # fmt: skip


def get_event(conn: psycopg.Connection[Any], sequence: int) -> tuple[dict[str, Any], bytes, bytes] | None:
    """(AuditEvent, hash of the record before, own hash) of one record."""
    return conn.execute(
        "SELECT body, previous, hash FROM audit_event WHERE sequence = %s", [sequence]
    ).fetchone()

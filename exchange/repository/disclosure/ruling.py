"""The rules and participants in force: when they change, everything is decided again."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import datetime

import psycopg
from psycopg.types.json import Jsonb

from exchange.consent import Context, Participant, is_left, minimum_for
from exchange.model.errors import Conflict
from exchange.model.records import Viewer
from exchange.repository.disclosure.clock import not_long_before
from exchange.repository.disclosure.viewers import decide_classes, load_classes, viewers
from exchange.repository.disclosure.withdraw import forbidden_rows, withdraw
from exchange.repository.storage.parameters import parameters

_RULING_LOCK = 0x72756C696E67


def register_participants(conn: psycopg.Connection, context: Context, at: datetime) -> bool:
    """Makes participants and their viewers known; decides everything again if they or the rules changed.

    Returns whether anything had changed.
    """
    found = conn.execute("SELECT digest FROM ruling").fetchone()
    if found and found[0] == _digest(context):
        return False
    emergencies = context.rules.vocabulary.file.emergency_purposes
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO participant (code, facts) VALUES (%s, %s)"
            " ON CONFLICT (code) DO UPDATE SET facts = excluded.facts",
            [(p.code, Jsonb(_facts(p))) for p in context.participants.values()],
        )
        cursor.executemany(
            "INSERT INTO viewer (participant, role, purpose, emergency, minimum, searchable)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (participant, role, purpose) DO UPDATE"
            " SET emergency = excluded.emergency, minimum = excluded.minimum,"
            "  searchable = excluded.searchable",
            [
                (v.participant, v.role, v.purpose, v.purpose in emergencies, *_minimum(v, context))
                for v in viewers(context)
            ],
        )
    redecide_all(conn, context, at)
    return True


def _minimum(viewer: Viewer, context: Context) -> tuple[Jsonb | None, list[int] | None]:
    """The elements the viewer is left, and the parameters of which every place is among them."""
    left = minimum_for(viewer, context)
    if left is None:
        return None, None
    keys = [
        parameter.key
        for kind, of_type in parameters().items()
        for parameter in of_type.values()
        if all(is_left(kind, place.path[0], left) for place in parameter.places)
    ]
    return Jsonb(left), sorted(keys)


def redecide_all(conn: psycopg.Connection, context: Context, at: datetime) -> int:
    """Decides every class for every viewer again; what the repository may no longer hold is withdrawn.

    Returns the number of classes; raises ClockRunsBackwards.
    """
    not_long_before(conn, at)
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_RULING_LOCK,))
    classes = load_classes(conn)
    conn.execute("DELETE FROM disclosure")
    decide_classes(conn, classes, context, at)
    conn.execute(
        "INSERT INTO ruling (digest, decided) VALUES (%s, %s)"
        " ON CONFLICT (one) DO UPDATE SET digest = excluded.digest, decided = excluded.decided",
        (_digest(context), at),
    )
    withdraw(conn, forbidden_rows(conn, at), context, at)
    conn.execute(
        "SELECT derive_stated_care(ARRAY(SELECT patient FROM care_statement WHERE basis = 'referral'))"
    )
    return len(classes)


def hold_ruling(conn: psycopg.Connection, context: Context, at: datetime) -> None:
    """Keeps the rules in force until the transaction ends; Conflict if they are not those of `context`.

    Raises ClockRunsBackwards when `at` is before what was decided already.
    """
    not_long_before(conn, at)
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_RULING_LOCK,))
    found = conn.execute("SELECT digest FROM ruling").fetchone()
    if found is None or found[0] != _digest(context):
        raise Conflict("rules or participants changed since this process read them; open the exchange again")


def _facts(participant: Participant) -> dict[str, str]:
    return {field.name: str(getattr(participant, field.name)) for field in fields(participant)}


def _digest(context: Context) -> str:
    participants = sorted(repr(p) for p in context.participants.values())
    return hashlib.sha256("\n".join([context.rules.digest, *participants]).encode()).hexdigest()

"""Who takes part, and under which rules: what changed takes effect on everything, in one transaction."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

import psycopg
from psycopg.types.json import Jsonb

from exchange.consent import Context, Participant, is_left, minimum_for
from exchange.model.records import Viewer
from exchange.repository.disclosure.reprofile import rematch, reprofile, with_content
from exchange.repository.disclosure.ruling import matching_of, redecide_all, ruling_digest
from exchange.repository.disclosure.viewers import viewers
from exchange.repository.storage.parameters import parameters, several_key

_PATIENTS_AT_ONCE = 500


def register_participants(conn: psycopg.Connection, context: Context, at: datetime) -> bool:
    """Makes participants and their viewers known; decides everything again if they or the rules changed.

    Returns whether anything had changed.
    """
    found = conn.execute("SELECT digest FROM ruling").fetchone()
    if found and found[0] == ruling_digest(context):
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
    _match_again(conn, context, at)
    return True


def _match_again(conn: psycopg.Connection, context: Context, at: datetime) -> None:
    """Reads who decided what, and holds it against all records, again, if that is done otherwise than before.

    Nobody publishes meanwhile: redecide_all() keeps the rules to this transaction.
    """
    done = conn.execute("SELECT matching FROM ruling").fetchone()
    if done == (matching_of(context),):
        return
    rows = conn.execute("SELECT patient FROM patient WHERE profile IS NOT NULL ORDER BY patient").fetchall()
    for start in range(0, len(rows), _PATIENTS_AT_ONCE):
        some = {row[0] for row in rows[start : start + _PATIENTS_AT_ONCE]}
        reprofile(conn, some, context, at)
        rematch(conn, with_content(conn, some), context, at)
    conn.execute("UPDATE ruling SET matching = %s", (matching_of(context),))


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
    return Jsonb(left), sorted([*keys, *map(several_key, keys)])


def _facts(participant: Participant) -> dict[str, str]:
    return {field.name: str(getattr(participant, field.name)) for field in fields(participant)}

"""What a target holds, as far as it has said so, and how far a pass has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row


class Name(NamedTuple):
    """A resource as the target's viewer knows it."""

    type: str
    fhir_id: UUID


@dataclass(frozen=True, slots=True)
class Held:
    """Digests: what the server said to have, what was last recorded as disclosed, what it refused."""

    held: bytes | None
    leaving: bytes
    refused: bytes | None


@dataclass(frozen=True, slots=True)
class Progress:
    """`after`: the patient up to whom the pass has given; None: no pass is under way."""

    target: int
    number: int
    after: int | None


@dataclass(frozen=True, slots=True)
class TargetStanding:
    """How a target stands: what it holds, what it refused, when it last had everything."""

    participant: str
    name: str
    items: int
    refused: int
    completed: datetime | None
    underway: bool
    problem: str | None


def progress(conn: psycopg.Connection, participant: str, name: str) -> Progress:
    """Where the pass of a target stands; a target that is met for the first time holds nothing."""
    conn.execute(
        "INSERT INTO target (participant, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (participant, name)
    )
    row = conn.execute(
        'SELECT target, pass, "after" FROM target WHERE (participant, name) = (%s, %s)', (participant, name)
    ).fetchone()
    if row is None:
        raise psycopg.InternalError("a target that was just written is not there")
    return Progress(*row)


def begin(conn: psycopg.Connection, target: int) -> Progress:
    """A new pass, from the start."""
    row = conn.execute(
        'UPDATE target SET pass = pass + 1, "after" = 0 WHERE target = %s RETURNING pass',
        (target,),
    ).fetchone()
    return Progress(target, int(row[0]) if row else 0, 0)


def advance(conn: psycopg.Connection, target: int, after: int | None, at: datetime) -> None:
    """Notes the checkpoint; None ends the pass."""
    conn.execute(
        'UPDATE target SET "after" = %(after)s,'
        " completed = CASE WHEN %(after)s::int IS NULL THEN %(at)s ELSE completed END WHERE target = %(t)s",
        {"after": after, "at": at, "t": target},
    )


def note_problem(conn: psycopg.Connection, target: int, problem: str | None) -> None:
    """What the last push met."""
    conn.execute("UPDATE target SET problem = %s WHERE target = %s", (problem, target))


def holdings(conn: psycopg.Connection, target: int, names: Iterable[Name]) -> dict[Name, Held]:
    """What is known of these."""
    asked = sorted(set(names))
    rows = conn.execute(
        "SELECT type, fhir_id, held, leaving, refused FROM target_item WHERE target = %s"
        " AND (type, fhir_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))",
        (target, [name.type for name in asked], [name.fhir_id for name in asked]),
    ).fetchall()
    return {Name(kind, key): Held(*digests) for kind, key, *digests in rows}


def held_after(conn: psycopg.Connection, target: int, after: Name | None, most: int) -> list[Name]:
    """The next records that the target holds, or may hold, in the order of their names."""
    rows = conn.execute(
        "SELECT type, fhir_id FROM target_item WHERE target = %s AND (type, fhir_id) > (%s, %s)"
        " AND NOT accompanies ORDER BY type, fhir_id LIMIT %s",
        (target, *(after or Name("", UUID(int=0))), most),
    ).fetchall()
    return [Name(*row) for row in rows]


def note_leaving(
    conn: psycopg.Connection, target: int, digests: Mapping[Name, bytes], accompanying: Iterable[Name]
) -> None:
    """Notes what is about to leave: it may be there even if nobody lives to hear the answer."""
    along = set(accompanying)
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO target_item (target, type, fhir_id, leaving, accompanies)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (target, type, fhir_id) DO UPDATE SET"
            " leaving = excluded.leaving, refused = NULL",
            [(target, *name, digest, name in along) for name, digest in sorted(digests.items())],
        )


def note_taken(conn: psycopg.Connection, target: int, names: Sequence[Name]) -> None:
    """The server has them as they last left."""
    _update(conn, "SET held = leaving, refused = NULL", target, names)


def note_refused(conn: psycopg.Connection, target: int, names: Sequence[Name]) -> None:
    """The server would not take them: not offered again until they change, or a person asks."""
    _update(conn, "SET refused = leaving", target, names)


def note_gone(conn: psycopg.Connection, target: int, names: Sequence[Name]) -> None:
    """The server has deleted them."""
    conn.execute(
        "DELETE FROM target_item WHERE target = %s"
        " AND (type, fhir_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))",
        (target, [name.type for name in names], [name.fhir_id for name in names]),
    )


def _update(conn: psycopg.Connection, change: str, target: int, names: Sequence[Name]) -> None:
    conn.execute(
        f"UPDATE target_item {change} WHERE target = %s"
        " AND (type, fhir_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))",
        (target, [name.type for name in names], [name.fhir_id for name in names]),
    )


def offer_again(conn: psycopg.Connection, target: int) -> int:
    """Lets what a server refused be offered again; returns how many records."""
    return conn.execute(
        "UPDATE target_item SET refused = NULL WHERE target = %s AND refused IS NOT NULL", (target,)
    ).rowcount


def target_standings(conn: psycopg.Connection) -> list[TargetStanding]:
    """Every target that was ever pushed to."""
    with conn.cursor(row_factory=class_row(TargetStanding)) as cursor:
        return cursor.execute(
            "SELECT participant, name, count(i.type)::int AS items, count(i.refused)::int AS refused,"
            ' completed, "after" IS NOT NULL AS underway, problem'
            " FROM target LEFT JOIN target_item i USING (target)"
            " GROUP BY target.target ORDER BY participant, name"
        ).fetchall()

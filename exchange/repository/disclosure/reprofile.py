"""Consents follow the person: profiles, relationships and classes after a link, an unlink or a consent.

A permit counts only for Patients that are certainly the one who gave it (direct certain edges), a denial for
every Patient of the person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
import psycopg

from exchange.consent import (
    Context,
    Directive,
    DisclosureClass,
    Profile,
    Surroundings,
    identity_hold,
    is_suspension,
    matched,
    origins,
    profile,
    until_of_age,
)
from exchange.consent.directives.matching import by_content
from exchange.model.records import Resource
from exchange.repository.disclosure.births import births_of
from exchange.repository.disclosure.overlay import held
from exchange.repository.disclosure.relationships import derive_relationships
from exchange.repository.disclosure.ruling import hold_ruling
from exchange.repository.disclosure.surroundings import surroundings
from exchange.repository.disclosure.viewers import (
    NO_DIRECTIVES,
    intern_classes,
    intern_profiles,
    load_classes,
    load_profiles,
)
from exchange.repository.disclosure.withdraw import forbidden_rows, withdraw
from exchange.repository.storage.moments import version_id
from exchange.repository.storage.store import move


@dataclass(frozen=True, slots=True)
class Reprofiled:
    """How many patients got another consent profile, rows another class, and rows left the repository."""

    patients: int
    moved: int
    withdrawn: int


_Wanted = tuple[int, int, tuple[int, ...]]
"""A class as it was, the number of the profile it is to have, and the provisions that match."""


class Member(NamedTuple):
    """A patient of an affected person."""

    patient: int
    profile: int | None


def reprofile(conn: psycopg.Connection, patients: Set[int], context: Context, at: datetime) -> Reprofiled:
    """Brings everything that depends on who these patients are, and what they decided, up to date.

    Runs in the caller's transaction; raises Conflict when the rules in force are not those of `context`.
    """
    hold_ruling(conn, context, at)
    members = lock_persons(conn, patients)
    numbers = [member.patient for member in members]
    given = _given(conn, numbers)
    profiles = {patient: profile(found) for patient, found in given.items()}
    interned = intern_profiles(conn, profiles.values())
    changed = {
        member.patient: interned[profiles[member.patient].digest]
        for member in members
        if member.profile != interned[profiles[member.patient].digest]
    }
    _set_profiles(conn, changed)
    _name_consents(conn, given)
    moved = _reclass(conn, changed, context, at)
    withdrawn = withdraw(conn, forbidden_rows(conn, at, list(changed)), context, at)
    derive_relationships(conn, numbers)
    return Reprofiled(len(changed), moved, withdrawn)


def rematch(conn: psycopg.Connection, patients: Set[int], context: Context, at: datetime) -> int:
    """Looks again at what their provisions match, when a record came that decides it; returns rows moved."""
    if not patients:
        return 0
    known = conn.execute(
        "SELECT patient, profile FROM patient WHERE patient = ANY(%s) AND profile IS NOT NULL",
        (list(patients),),
    ).fetchall()
    moved = _reclass(conn, dict(known), context, at)
    withdraw(conn, forbidden_rows(conn, at, [patient for patient, _ in known]), context, at)
    return moved


def with_content(conn: psycopg.Connection, patients: Set[int]) -> set[int]:
    """Those of them whose consents look at what a record says."""
    rows = conn.execute(
        "SELECT patient, profile FROM patient WHERE patient = ANY(%s) AND profile IS NOT NULL",
        (list(patients),),
    ).fetchall()
    known = load_profiles(conn, {profile for _, profile in rows})
    return {patient for patient, profile in rows if by_content(known[profile])}


_MEMBERS = "FROM patient WHERE person IN (SELECT person FROM patient WHERE patient = ANY(%s))"


def lock_persons(conn: psycopg.Connection, patients: Iterable[int]) -> list[Member]:
    """All patients of the persons these belong to, kept from other writers until the transaction ends.

    Who belongs to whom may have changed while somebody else had the lock; then it is asked again.
    """
    asked = (list(patients),)
    while True:
        locked = conn.execute(
            f"SELECT patient, profile {_MEMBERS} ORDER BY patient FOR NO KEY UPDATE", asked
        ).fetchall()
        now = conn.execute(f"SELECT patient {_MEMBERS} ORDER BY patient", asked).fetchall()
        if [row[0] for row in locked] == [row[0] for row in now]:
            return [Member(*row) for row in locked]


def consents_of(conn: psycopg.Connection, patient: int) -> tuple[tuple[str, ...], ...]:
    """For each position of the patient's profile, the `Consent/<id>/_history/<version>` that say it."""
    rows = conn.execute(
        "SELECT patient FROM patient WHERE person = (SELECT person FROM patient WHERE patient = %s)",
        (patient,),
    ).fetchall()
    given = _given(conn, [row[0] for row in rows]).get(patient, ())
    return origins(_as_held(conn, given))


def _as_held(
    conn: psycopg.Connection, given: Iterable[tuple[Directive, bool]]
) -> list[tuple[Directive, bool]]:
    """By the version the repository has, not by the source's number, which only the source can look up."""
    found = list(given)
    stored: dict[UUID, datetime] = dict(
        conn.execute(
            "SELECT d.consent, r.updated FROM directive d JOIN resource r ON r.type = 'Consent'"
            " AND r.fhir_id = d.consent AND r.rendition = 0 WHERE d.consent::text = ANY(%s)",
            ([directive.consent for directive, _ in found],),
        ).fetchall()
    )
    names = {str(consent): version_id(updated) for consent, updated in stored.items()}
    return [
        (replace(d, version="" if is_suspension(d) else names.get(d.consent, "")), certain)
        for d, certain in found
    ]


def _given(conn: psycopg.Connection, patients: list[int]) -> dict[int, list[tuple[Directive, bool]]]:
    """The directives of the whole person, with whether each was certainly given for that patient."""
    directives = conn.execute(
        "SELECT p.person, d.patient, d.body::text FROM directive d JOIN patient p USING (patient)"
        " WHERE patient = ANY(%s)",
        (patients,),
    ).fetchall()
    persons: dict[int, object] = dict(
        conn.execute("SELECT patient, person FROM patient WHERE patient = ANY(%s)", (patients,)).fetchall()
    )
    certain = set(
        conn.execute(
            "SELECT a, b FROM patient_edge WHERE a = ANY(%s) AND grade = 'certain'", (patients,)
        ).fetchall()
    )
    born = births_of(conn, patients)
    parsed = [
        (person, owner, until_of_age(Directive.from_json(orjson.loads(body)), born[owner]))
        for person, owner, body in directives
    ]
    unsettled = {persons[patient] for patient in held(conn, patients)}
    return {
        patient: [
            *[
                (directive, owner == patient or (patient, owner) in certain)
                for person, owner, directive in parsed
                if person == persons[patient]
            ],
            *([(identity_hold(), True)] if persons[patient] in unsettled else []),
        ]
        for patient in patients
    }


def _set_profiles(conn: psycopg.Connection, changed: Mapping[int, int]) -> None:
    conn.execute(
        "UPDATE patient p SET profile = n.profile FROM unnest(%s::int[], %s::int[]) AS n (patient, profile)"
        " WHERE p.patient = n.patient",
        (list(changed), list(changed.values())),
    )


_Given = Mapping[int, Iterable[tuple[Directive, bool]]]
"""For patients, the directives of their person, with whether each was certainly given for that patient."""


def _name_consents(conn: psycopg.Connection, given: _Given) -> None:
    """Notes which Consents stand at which position of whose profile; another may say the same."""
    said = {
        (patient, position, UUID(name.split("/")[1]))
        for patient, found in given.items()
        for position, names in enumerate(origins(found))
        for name in names
        if name.startswith("Consent/")
    }
    known = set(
        conn.execute(
            "SELECT patient, position, consent FROM consent_said WHERE patient = ANY(%s)", (list(given),)
        ).fetchall()
    )
    gone, new = list(zip(*(known - said), strict=True)), list(zip(*(said - known), strict=True))
    if gone:
        conn.execute(
            "DELETE FROM consent_said WHERE (patient, position, consent)"
            " IN (SELECT * FROM unnest(%s::int[], %s::int[], %s::uuid[]))",
            [list(column) for column in gone],
        )
    if new:
        conn.execute(
            "INSERT INTO consent_said SELECT * FROM unnest(%s::int[], %s::int[], %s::uuid[])",
            [list(column) for column in new],
        )


def matches(directives: Profile, resource: Resource, around: Surroundings) -> tuple[int, ...]:
    """The content-dependent provisions that match; nothing is looked at for the many who decided nothing."""
    return matched(directives, resource, around) if directives.groups else ()


def _reclass(conn: psycopg.Connection, profiles: Mapping[int, int], context: Context, at: datetime) -> int:
    """Gives all records of these patients the class that goes with their new profile."""
    if not profiles:
        return 0
    known = load_profiles(conn, profiles.values())
    content = [patient for patient, number in profiles.items() if by_content(known[number])]
    moved = 0
    for table, identity in _KEPT.items():
        rows = conn.execute(
            f"SELECT {identity}, class, patient, CASE WHEN patient = ANY(%s) THEN {_body(table)} END"
            f" FROM {table} WHERE patient = ANY(%s)",
            (content, list(profiles)),
        ).fetchall()
        old = load_classes(conn, {row[1] for row in rows})
        bodies: dict[object, Resource] = {row[0]: orjson.loads(row[3]) for row in rows if row[3]}
        names = {f"{body['resourceType']}/{body['id']}" for body in bodies.values()}
        reading = context.rules.vocabulary.file.data_period
        around = surroundings(conn, known.values(), names, {}, reading)
        wanted = {
            row[0]: (row[1], profiles[row[2]], _found(known[profiles[row[2]]], bodies.get(row[0]), around))
            for row in rows
        }
        classes = {
            one: replace(old[one[0]], profile=known[one[1]], matched=one[2]) for one in set(wanted.values())
        }
        numbers = _interned(conn, classes, context, at)
        changes = {row: numbers[one] for row, one in wanted.items() if numbers[one] != one[0]}
        _move(conn, table, changes)
        moved += len(changes) if table == "resource" else 0
    return moved


# What carries a class, and how a row of it is told. The ledger holds no content: provisions that depend on it
# cannot be looked at there, and are when the record is replayed, before anything of it is stored.
_KEPT = {"resource": "rid", "resource_history": "ctid::text", "withheld": "ctid::text"}


def _body(table: str) -> str:
    return "NULL::bytea" if table == "withheld" else "body"


def _found(directives: Profile, body: Resource | None, around: Surroundings) -> tuple[int, ...]:
    return matches(directives, body, around) if body else ()


def _interned(
    conn: psycopg.Connection, classes: Mapping[_Wanted, DisclosureClass], context: Context, at: datetime
) -> dict[_Wanted, int]:
    """Hundreds of records share few classes: each is named and looked up once."""
    digests = {one: found.digest for one, found in classes.items()}
    numbers = intern_classes(conn, classes.values(), context, at)
    return {one: numbers[digest] for one, digest in digests.items()}


def _move(conn: psycopg.Connection, table: str, classes: Mapping[int, int]) -> None:
    if table == "resource":
        move(conn, classes)
        return
    conn.execute(
        f"UPDATE {table} t SET class = n.class FROM unnest(%s::tid[], %s::int[]) AS n (tid, class)"
        " WHERE t.ctid = n.tid",
        (list(classes), list(classes.values())),
    )


def profiles_of(conn: psycopg.Connection, numbers: Iterable[int | None]) -> dict[int | None, Profile]:
    """Profiles by number; None stands for a patient who was never profiled and decided nothing."""
    found: dict[int | None, Profile] = {None: NO_DIRECTIVES}
    return found | load_profiles(conn, {number for number in numbers if number is not None})

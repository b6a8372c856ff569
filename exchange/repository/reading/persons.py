"""Persons as a viewer sees them: the Patients visible to him, joined by the links visible to him.

The golden id comes from the smallest visible contribution, so that what is hidden leaves no trace in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from exchange.linkage import edge_of, partition
from exchange.model.ids import golden_id
from exchange.repository.reading.reader import Reader, select


class Contribution(NamedTuple):
    """A visible Patient as one source sent it."""

    patient: int
    fhir_id: UUID
    golden_id: UUID
    partner: str


@dataclass(frozen=True, slots=True)
class Person:
    """Visible contributions in order of id; there is at least one."""

    contributions: tuple[Contribution, ...]

    @property
    def golden_id(self) -> UUID:
        return self.contributions[0].golden_id

    @property
    def patients(self) -> tuple[int, ...]:
        return tuple(c.patient for c in self.contributions)


_PAIR = 2
_REACHED = """
    WITH RECURSIVE reached (origin, patient) AS (
        SELECT patient, patient FROM {start}
        UNION
        SELECT reached.origin, e.b FROM reached JOIN patient_edge e ON e.a = reached.patient
    )
    SELECT reached.origin, p.patient, p.fhir_id, p.golden_id, p.partner
    FROM reached JOIN patient p ON p.patient = reached.patient
    ORDER BY reached.origin, p.fhir_id
"""


def persons_of(reader: Reader, patients: Iterable[int | None]) -> Mapping[int, Person]:
    """The person each patient is part of; patients whose own Patient is hidden are left out."""
    wanted = sorted({patient for patient in patients if patient is not None})
    return _persons(reader, "unnest(%s::int[]) AS given (patient)", (wanted,)) if wanted else {}


def persons_seen(reader: Reader, rows: Iterable[tuple[int, UUID, str]]) -> Mapping[int, Person]:
    """The same for (patient, id, partner) of Patients whose rows were read: most are linked to nobody.

    To have read the row is to see the Patient, so that of those nothing is asked again.
    """
    found = {patient: (fhir_id, partner) for patient, fhir_id, partner in rows}
    linked = _linked(reader, found)
    alone = {
        patient: Person((Contribution(patient, fhir_id, UUID(golden_id(str(fhir_id))), partner),))
        for patient, (fhir_id, partner) in found.items()
        if patient not in linked
    }
    return {**alone, **persons_of(reader, linked)}


def count_seen(reader: Reader, rows: Iterable[tuple[int, UUID, str]]) -> int:
    """How many persons they are, without finding out who is linked to nobody."""
    found = {row[0] for row in rows}
    linked = _linked(reader, found)
    return len(found - linked) + len(distinct(persons_of(reader, linked).values()))


def _linked(reader: Reader, patients: Iterable[int]) -> set[int]:
    known = "SELECT DISTINCT a FROM patient_edge WHERE a = ANY(%s)"
    return {patient for (patient,) in select(reader, known, (sorted(patients),))}


def _persons(reader: Reader, start: str, arguments: Sequence[object]) -> dict[int, Person]:
    """By the patients that `start`, SQL of ours, begins with."""
    rows = select(reader, _REACHED.format(start=start), arguments)
    if not rows:
        return {}
    members = {row[1]: str(row[2]) for row in rows}
    most = max(Counter(row[0] for row in rows).values())
    # Who is reached from nobody else is one person by himself: nothing is asked about him again.
    person = _partition(reader, members, several=most > _PAIR) if most > 1 else members
    found: dict[int, Person] = {}
    for origin, group in groupby(rows, key=lambda row: row[0]):
        contributions = tuple(
            c
            for c in (Contribution(*row[1:]) for row in group)
            if person.get(c.patient) == person.get(origin)
        )
        if any(c.patient == origin for c in contributions):
            found[origin] = Person(contributions)
    return found


def _partition(reader: Reader, members: Mapping[int, str], *, several: bool) -> Mapping[int, str]:
    """Who is one person among visible Patients, given which of them a steward or the model keeps apart.

    `several`: of some more is reached than one other, so that one may be linked with two who are not.
    """
    numbers = sorted(members)
    both = "a = ANY(%(n)s) AND b = ANY(%(n)s)"
    apart = select(reader, f"SELECT a, b, authority FROM patient_apart WHERE {both}", {"n": numbers})
    if not (apart or several):
        return dict.fromkeys(members, "")  # everybody who is reached is one person
    edges = select(
        reader,
        f"SELECT a, b, grade, probability, basis FROM patient_edge WHERE a < b AND {both}",
        {"n": numbers},
    )
    persons = partition(
        members.values(),
        [
            edge_of(members[a], members[b], grade, probability, basis)
            for a, b, grade, probability, basis in edges
        ],
        {frozenset((members[a], members[b])): authority for a, b, authority in apart},
    )
    return {number: persons[fhir_id] for number, fhir_id in members.items()}


def find_person(reader: Reader, patient_id: UUID) -> Person | None:
    """The person whom a viewer knows by a golden id, or by the id of any contribution he sees."""
    start = "patient WHERE golden_id = %s OR fhir_id = %s"
    return next(iter(_persons(reader, start, (patient_id, patient_id)).values()), None)


def distinct(persons: Iterable[Person]) -> list[Person]:
    """Each person once, in order of golden id."""
    return [person for _, person in sorted({p.golden_id.int: p for p in persons}.items())]

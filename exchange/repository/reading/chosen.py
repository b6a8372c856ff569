"""Records named by id as one viewer sees them, with the people they are about and what they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from exchange.repository.reading.include import referred
from exchange.repository.reading.persons import distinct, persons_of
from exchange.repository.reading.provenance import provenance_of
from exchange.repository.reading.reader import (
    BEST_OF_CLUSTER,
    BEST_RENDITION,
    SHOWN,
    Reader,
    Terms,
    select,
    shown,
    terms,
)
from exchange.repository.reading.view import Served, golden_patients, serve


class Wanted(NamedTuple):
    """A form of a record that something happened to."""

    type: str
    fhir_id: UUID
    rendition: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """`named`: those of the wanted that the viewer sees in that very form, as he gets them.

    `patients`: the people they are about; `around`: what they refer to; `provenance`: of all of these.
    """

    named: dict[Wanted, Served]
    patients: tuple[Served, ...]
    around: tuple[Served, ...]
    provenance: tuple[Served, ...]
    terms: Terms

    @property
    def all(self) -> tuple[Served, ...]:
        """Everything but the Provenance, each once: people first, then what is named, then the rest."""
        named = [served for served in self.named.values() if served.type != "Patient"]
        return tuple({(s.type, s.id): s for s in (*self.patients, *named, *self.around)}.values())


_CHOSEN = f"""
SELECT {SHOWN} FROM resource r
JOIN unnest(%s::text[], %s::uuid[], %s::int[]) AS w (type, fhir_id, rendition)
  ON (r.type, r.fhir_id, r.rendition) = (w.type, w.fhir_id, w.rendition)
WHERE {BEST_RENDITION} AND (r.type = 'Patient' OR {BEST_OF_CLUSTER}) ORDER BY r.type, r.fhir_id
"""


def chosen(reader: Reader, wanted: Iterable[Wanted]) -> Chosen:
    """What the viewer sees of the wanted; a duplicate of which he is shown a better member is left out."""
    keys = sorted(set(wanted))
    found = select(
        reader, _CHOSEN, ([k.type for k in keys], [k.fhir_id for k in keys], [k.rendition for k in keys])
    )
    rows = {Wanted(row.type, row.fhir_id, row.rendition): row for row in shown(reader, found)}
    people = persons_of(reader, [row.patient for row in rows.values()])
    patients = golden_patients(reader, distinct(people.values()))
    by_person = {served.id: served for served in patients}
    others = [(key, row) for key, row in rows.items() if row.type != "Patient"]
    named = dict(zip([key for key, _ in others], serve(reader, [row for _, row in others]), strict=True))
    for key, row in rows.items():
        person = people.get(row.patient) if row.type == "Patient" and row.patient is not None else None
        if person is not None and str(person.golden_id) in by_person:
            named[key] = by_person[str(person.golden_id)]
    refers = [one for one in named.values() if one.type != "Patient"]
    around = _not_yet(referred(reader, None, refers, about_nobody=True), named.values())
    served = [*patients, *(s for s in named.values() if s.type != "Patient"), *around]
    return Chosen(
        named,
        tuple(patients),
        tuple(around),
        tuple(provenance_of(reader, served)) if served else (),
        terms(reader, [(one.about, one.classes) for one in served]),
    )


def _not_yet(found: Sequence[Served], named: Iterable[Served]) -> list[Served]:
    known = {(served.type, served.id) for served in named}
    return [served for served in found if (served.type, served.id) not in known]


def seen_pairs(reader: Reader, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """Of the pairs of patients those of whom the viewer sees both, and whether he sees them as one person."""
    asked = set(pairs)
    people = persons_of(reader, [number for pair in asked for number in pair])
    return {
        (a, b): people[a].golden_id == people[b].golden_id for a, b in asked if a in people and b in people
    }

"""Patient/$match as one viewer: candidates, score and grade come from the records he may see, and no others.

https://hl7.org/fhir/R4/patient-operation-match.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import orjson

from exchange.linkage import Features, Match, Model, blocking_keys, match_person, score
from exchange.model.records import Resource
from exchange.repository.reading.page import Around, Page, make_page
from exchange.repository.reading.persons import Person, distinct, persons_of
from exchange.repository.reading.reader import Reader, fetch, select
from exchange.repository.reading.syntax import BadSearch
from exchange.repository.reading.view import golden_patients, still_shown

MOST_KEYS = 1000
"""A description that is looked for under more keys than this is none of one person."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How Patients are read and compared: the very model and keyed hashes that linked them."""

    model: Model
    features: Callable[[Resource], Features]


@dataclass(frozen=True, slots=True)
class Described:
    """Who is looked for; `most`: how many at most are told, None for all."""

    patient: Resource
    only_certain: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Matches:
    """Golden Patients, the best first, with the verdict and score of each in the same order."""

    page: Page
    verdicts: tuple[tuple[Match, float], ...]


def match(reader: Reader, identity: Identity, described: Described, base_url: str) -> Matches:
    """Who may be meant; with `only_certain` the one who certainly is, and nobody when that is not one alone.

    Raises BadSearch for a description by which nobody can be found.
    """
    asked = replace(identity.features(described.patient), links=())
    keys = frozenset(blocking_keys(asked))
    if not keys:
        raise BadSearch("describe the patient by name and birth date, or by an identifier with its system")
    if len(keys) > MOST_KEYS:
        raise BadSearch("the description names too many names, numbers or addresses for one patient")
    found = [
        (verdict, person)
        for person, records in _candidates(reader, identity, keys)
        for verdict in [match_person(asked, records, identity.model)]
        if verdict.grade != "certainly-not"
    ]
    weighed = sorted(
        (-score(verdict, identity.model.thresholds), str(person.golden_id), verdict, person)
        for verdict, person in found
    )
    if described.only_certain:
        weighed = [entry for entry in weighed if entry[2].links]
        weighed = weighed if len(weighed) == 1 and weighed[0][2].grade == "certain" else []
    told = weighed[: described.most]
    shown = golden_patients(reader, [person for *_, person in told])
    verdicts = {c: (verdict, -negative) for negative, _, verdict, p in told for c in p.contributions}
    return Matches(
        make_page(reader, base_url, [("match", served) for served in shown], Around(len(weighed))),
        tuple(verdicts[s.person.contributions[0]] for s in shown if s.person),
    )


def _candidates(
    reader: Reader, identity: Identity, keys: frozenset[int]
) -> list[tuple[Person, list[Features]]]:
    """Persons with a visible record that shares a key, with what all their visible records say."""
    numbers = select(reader, "SELECT DISTINCT patient FROM blocking_key WHERE key = ANY(%s)", (list(keys),))
    people = distinct(persons_of(reader, (row[0] for row in numbers)).values())
    said = _said(reader, identity, people)
    found = []
    for person in still_shown(people, said.keys()):
        records = [said[c.fhir_id] for c in person.contributions]
        # The keys in the index are those of the whole record; what he sees of it may be less.
        if any(not keys.isdisjoint(blocking_keys(record)) for record in records):
            found.append((person, records))
    return found


def _said(reader: Reader, identity: Identity, people: Sequence[Person]) -> Mapping[UUID, Features]:
    ids = [c.fhir_id for person in people for c in person.contributions]
    rows = fetch(reader, "r.type = 'Patient' AND r.fhir_id = ANY(%(ids)s)", {"ids": ids})
    return {row.fhir_id: identity.features(orjson.loads(row.body)) for row in rows}

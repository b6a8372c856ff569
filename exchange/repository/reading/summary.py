"""Patient/$summary as one viewer: a document of what he may see of a person, and of nothing else.

https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

import orjson

from exchange.model.records import Resource
from exchange.repository.reading.include import referred
from exchange.repository.reading.ips import SECTIONS, Section, composition, with_reasons
from exchange.repository.reading.page import Around, Page, make_page
from exchange.repository.reading.persons import find_person
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.reader import Reader
from exchange.repository.reading.search import first_of
from exchange.repository.reading.settled import all_seen, as_told, settled
from exchange.repository.reading.view import Served, golden_patients
from exchange.repository.storage.moments import instant

MOST_ENTRIES = 100
"""Of each search of a section the newest are told, and no more than these."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The Composition, and the page of what it refers to: the Patient first. `at`: of the document."""

    composition: Resource
    page: Page
    at: datetime


def summary(reader: Reader, patient_id: str, base_url: str) -> Summary | None:
    """None when the viewer sees no such Patient; the same content has the same id, whenever it is asked."""
    # A section that was asked after a consent had hidden everything would say that there is nothing to tell.
    found = settled(
        lambda: _found(reader, patient_id),
        lambda found: found is not None and not all_seen(reader, (found.patient, *found.told)),
        lambda found: found and as_told(found.every),
    )
    if found is None:
        return None
    content = orjson.dumps([[s.type, s.id, s.version] for s in found.every])
    identifier = str(uuid5(UUID(found.patient.id), content.decode()))
    bodies = [(section, [orjson.loads(served.body) for served in each]) for section, each in found.sections]
    return Summary(
        composition(identifier, found.patient.id, instant(reader.at), bodies),
        make_page(reader, base_url, [("match", served) for served in found.every], Around()),
        reader.at,
    )


class _Found(NamedTuple):
    """What many statements found one after the other."""

    patient: Served
    sections: list[tuple[Section, list[Served]]]
    along: list[Served]

    @property
    def told(self) -> list[Served]:
        return [served for _, each in self.sections for served in each]

    @property
    def every(self) -> list[Served]:
        """Each once, the Patient first."""
        return list({(s.type, s.id): s for s in (self.patient, *self.told, *self.along)}.values())


def _found(reader: Reader, patient_id: str) -> _Found | None:
    try:
        person = find_person(reader, UUID(patient_id))
    except ValueError:
        return None
    patients = golden_patients(reader, [person]) if person else []
    if not patients:
        return None
    sections = [(section, _entries(reader, section, patients[0].id)) for section in SECTIONS]
    told = [served for _, each in sections for served in each]
    patient = replace(patients[0], body=orjson.dumps(with_reasons(orjson.loads(patients[0].body))))
    return _Found(patient, sections, referred(reader, None, told, about_nobody=True))


def _entries(reader: Reader, section: Section, patient_id: str) -> list[Served]:
    count = ("_count", str(MOST_ENTRIES))
    return [
        served
        for kind, asked in section.searches
        for served in first_of(reader, parse_query(kind, [*asked, count], reader.at, patient_id))
    ]

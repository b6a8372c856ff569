"""Patient/$summary as one viewer: a document of what he may see of a person, and of nothing else.

https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

import orjson

from exchange.model.records import Resource
from exchange.repository.reading.include import referred
from exchange.repository.reading.ips import SECTIONS, Section, composition
from exchange.repository.reading.page import Around, Page, make_page
from exchange.repository.reading.persons import find_person
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.reader import Reader
from exchange.repository.reading.search import first_of
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
    try:
        person = find_person(reader, UUID(patient_id))
    except ValueError:
        return None
    patients = golden_patients(reader, [person]) if person else []
    if not patients:
        return None
    patient = patients[0]
    found = [(section, _entries(reader, section, patient.id)) for section in SECTIONS]
    told = [served for _, each in found for served in each]
    every = {(s.type, s.id): s for s in (patient, *told, *referred(reader, None, told, about_nobody=True))}
    content = orjson.dumps([[s.type, s.id, s.version] for s in every.values()])
    identifier = str(uuid5(UUID(patient.id), content.decode()))
    bodies = [(section, [orjson.loads(served.body) for served in each]) for section, each in found]
    return Summary(
        composition(identifier, patient.id, instant(reader.at), bodies),
        make_page(reader, base_url, [("match", served) for served in every.values()], Around()),
        reader.at,
    )


def _entries(reader: Reader, section: Section, patient_id: str) -> list[Served]:
    count = ("_count", str(MOST_ENTRIES))
    return [
        served
        for kind, asked in section.searches
        for served in first_of(reader, parse_query(kind, [*asked, count], reader.at, patient_id))
    ]

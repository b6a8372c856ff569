"""FHIR read as one viewer. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from exchange.model.fhir_types import type_names
from exchange.repository.reading.persons import Person, find_person
from exchange.repository.reading.provenance import provenance_of
from exchange.repository.reading.query import Form
from exchange.repository.reading.reader import Reader, Shown, fetch, terms
from exchange.repository.reading.subset import subset
from exchange.repository.reading.view import Served, contribution, golden_patients, serve


@dataclass(frozen=True, slots=True)
class Found:
    """A resource as the viewer gets it; `patients` are golden ids of those it is about."""

    body: bytes
    etag: str
    updated: datetime
    patients: tuple[str, ...]
    because: tuple[str, ...]
    obligations: tuple[str, ...]


def read(reader: Reader, resource_type: str, resource_id: str) -> Found | None:
    """The resource in its best visible rendition; None when this viewer may see none."""
    try:
        fhir_id = UUID(resource_id)
    except ValueError:
        return None
    served = _find(reader, resource_type, fhir_id) if str(fhir_id) == resource_id else None
    return found_of(reader, served) if served else None


def found_of(reader: Reader, served: Served) -> Found:
    """A resource as it leaves, with why."""
    why = terms(reader, [(served.about, served.classes)])
    return Found(
        body=served.body,
        etag=f'W/"{served.version}"',
        updated=served.updated,
        patients=(served.about,) if served.about else (),
        because=why.because,
        obligations=why.obligations,
    )


def in_form(found: Found, form: Form) -> Found:
    """As much of a resource as is wanted, under the name of the whole version."""
    return replace(found, body=subset(found.body, form))


def _find(reader: Reader, resource_type: str, fhir_id: UUID) -> Served | None:
    if resource_type == "Patient":
        return _patient(reader, fhir_id)
    if resource_type == "Provenance":
        return _provenance(reader, fhir_id)
    found = serve(reader, _rows(reader, [resource_type], fhir_id))
    return found[0] if found else None


def _patient(reader: Reader, fhir_id: UUID) -> Served | None:
    person = find_person(reader, fhir_id)
    if person is None:
        return None
    if fhir_id == person.golden_id:
        found = next(iter(golden_patients(reader, [person])), None)
        return found if found and found.id == str(fhir_id) else None
    own = _rows(reader, ["Patient"], fhir_id)
    return contribution(reader, own[0], person) if own else None


def _provenance(reader: Reader, fhir_id: UUID) -> Served | None:
    target = _patient(reader, fhir_id) or next(iter(serve(reader, _rows(reader, _ANY, fhir_id))), None)
    return provenance_of(reader, [target])[0] if target else None


def _rows(reader: Reader, types: list[str], fhir_id: UUID) -> list[Shown]:
    condition = "r.type = ANY(%(types)s) AND r.fhir_id = %(id)s"
    return fetch(reader, condition, {"types": types, "id": fhir_id})


_ANY = sorted(type_names("resource") - {"Patient"})


def golden_ids(persons: list[Person]) -> tuple[str, ...]:
    """Ids by which the viewer knows these people, each once and sorted."""
    return tuple(sorted({str(person.golden_id) for person in persons}))

"""What is served: golden Patients composed from visible contributions, references that lead to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

from exchange.linkage import compose
from exchange.model.fhir import patient_of
from exchange.model.records import Resource
from exchange.repository.reading.hearsay import without_hearsay
from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.reader import Reader, Shown, fetch
from exchange.repository.storage.moments import instant, named, version_id


@dataclass(frozen=True, slots=True)
class Served:
    """A resource as this viewer gets it; `classes` and `rids` are of the rows it was made from.

    `rendition`: which form of the one record it is; 0 for a golden Patient, which is made of several.
    `source_patient`: what the record itself says whom it is about, when the viewer may not see that Patient.
    """

    type: str
    id: str
    body: bytes
    version: str
    updated: datetime
    partners: tuple[str, ...]
    person: Person | None
    classes: frozenset[int]
    rids: tuple[int, ...] = ()
    source_patient: str | None = None
    rendition: int = 0

    @property
    def about(self) -> str | None:
        """Id of the Patient to whom this disclosure is accounted."""
        return str(self.person.golden_id) if self.person else self.source_patient


def serve(reader: Reader, rows: Sequence[Shown]) -> list[Served]:
    """Rows as this viewer may read them, their subject's reference leading to the golden Patient."""
    persons = persons_of(reader, (row.patient for row in rows))
    return [
        _served(row, persons.get(row.patient) if row.patient is not None else None)
        for row in without_hearsay(reader, rows)
    ]


def _served(row: Shown, person: Person | None) -> Served:
    body = row.body
    if person is not None:
        own = next(c for c in person.contributions if c.patient == row.patient)
        body = body.replace(f'"Patient/{own.fhir_id}"'.encode(), f'"Patient/{person.golden_id}"'.encode())
    version, body = named(body, version_id(row.updated))
    return Served(
        type=row.type,
        id=str(row.fhir_id),
        body=body,
        version=version,
        updated=row.updated,
        partners=(),
        person=person,
        classes=frozenset((row.class_,)),
        rids=(row.rid,),
        source_patient=patient_of(orjson.loads(body)) if person is None and row.patient is not None else None,
        rendition=row.rendition,
    )


def golden_patients(reader: Reader, persons: Iterable[Person]) -> list[Served]:
    """One composed Patient for each person, in their order.

    A consent that was committed since the persons were looked up counts: what it hid meanwhile is left out.
    """
    known = list(persons)
    ids = [c.fhir_id for person in known for c in person.contributions]
    found = fetch(reader, "r.type = 'Patient' AND r.fhir_id = ANY(%(ids)s)", {"ids": ids})
    rows = {row.fhir_id: row for row in without_hearsay(reader, found)}
    return [compose_golden(person, rows) for person in still_shown(known, rows.keys())]


def still_shown(persons: Iterable[Person], shown: Collection[UUID]) -> list[Person]:
    """The persons without the contributions that are not among those shown, and only who has one left."""
    kept = [tuple(c for c in person.contributions if c.fhir_id in shown) for person in persons]
    return [Person(contributions) for contributions in kept if contributions]


def compose_golden(person: Person, rows: Mapping[UUID, Shown]) -> Served:
    """The golden Patient of those contributions that there are rows of; at least one."""
    told = [c for c in person.contributions if c.fhir_id in rows]
    shown = [rows[c.fhir_id] for c in told]
    said = [(c.partner, orjson.loads(rows[c.fhir_id].body)) for c in told]
    told_of = [[str(row.fhir_id), version_id(row.updated)] for row in shown]
    stored = blake2b(orjson.dumps(told_of), digest_size=8).hexdigest()
    updated = max(row.updated for row in shown)
    composed = compose(said)
    body = {
        "resourceType": "Patient",
        "id": str(person.golden_id),
        "meta": {
            **composed.get("meta", {}),
            "versionId": stored,
            "lastUpdated": instant(updated),
            **_security(patient for _, patient in said),
        },
        **{k: v for k, v in composed.items() if k not in ("resourceType", "id", "meta", "link")},
        "link": [{"other": {"reference": f"Patient/{c.fhir_id}"}, "type": "seealso"} for c in told],
    }
    version, told_as = named(orjson.dumps(body), stored)
    return Served(
        type="Patient",
        id=str(person.golden_id),
        body=told_as,
        version=version,
        updated=updated,
        partners=tuple(c.partner for c in told),
        person=person,
        classes=frozenset(row.class_ for row in shown),
        rids=tuple(row.rid for row in shown),
    )


def _security(patients: Iterable[Resource]) -> dict[str, Any]:
    """Every label of every contribution: the whole is as protected as its parts."""
    labels = {
        orjson.dumps(label, option=orjson.OPT_SORT_KEYS): label
        for patient in patients
        for label in patient.get("meta", {}).get("security", ())
    }
    return {"security": [labels[key] for key in sorted(labels)]} if labels else {}


def contribution(reader: Reader, own: Shown, person: Person) -> Served:
    """A source's own Patient, pointing to the golden one."""
    (row,) = without_hearsay(reader, [own])
    said: Resource = orjson.loads(row.body)
    refer = {"other": {"reference": f"Patient/{person.golden_id}"}, "type": "refer"}
    others = [link for link in said.get("link", ()) if link.get("type") != "refer"]
    version, body = named(orjson.dumps({**said, "link": [*others, refer]}), version_id(row.updated))
    return Served(
        type="Patient",
        id=str(row.fhir_id),
        body=body,
        version=version,
        updated=row.updated,
        partners=(),
        person=person,
        classes=frozenset((row.class_,)),
        rids=(row.rid,),
    )

"""A small coalition with a small law: what the repository's tests publish into and read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psycopg

from exchange.consent import Context, Participant, parse_rules
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels, Resource, Viewer
from exchange.repository import Page, search
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.reading.reader import Reader, reader
from exchange.repository.storage.items import PublishItem, PublishResult
from exchange.repository.write import publish

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
KEY = b"k" * 32
BASE = "https://exchange.example/fhir"
HOSPITAL = Viewer("hospital", "organization", "TREAT")
CLINIC = Viewer("clinic", "organization", "TREAT")
SHELTER = Viewer("shelter", "organization", "HOPERAT")

_HERE = Path(__file__).parent
_FILES = {
    "vocabulary.yaml": (_HERE.parents[1] / "consent" / "vocabulary.yaml").read_text("utf-8"),
    "policies/tests.yaml": (_HERE / "policies.yaml").read_text("utf-8"),
}


_OPEN = Labels()
_MOST_PAGES = 60


def _participant(code: str, kind: str, purpose: str, covered: bool) -> Participant:
    return Participant(
        code=code,
        type=kind,
        covered_entity=covered,
        agreement="participation",
        agreement_from=datetime(2020, 1, 1, tzinfo=UTC),
        purposes=(purpose,),
        npi={"hospital": "1111111112", "clinic": "2222222228"}.get(code),
    )


def coalition() -> Context:
    """A hospital and a clinic that treat, and a shelter."""
    members = [
        _participant("hospital", "hospital", "TREAT", True),
        _participant("clinic", "clinic", "TREAT", True),
        _participant("shelter", "shelter", "HOPERAT", False),
    ]
    return Context(parse_rules(_FILES), {p.code: p for p in members})


@dataclass
class World:
    """The repository under test, written as owner and read as a viewer."""

    conn: psycopg.Connection
    context: Context
    at: datetime = AT
    records: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def patient(self, partner: str, key: str, labels: Labels = _OPEN, **elements: object) -> str:
        """Publishes a Patient of a partner and returns its id."""
        fhir_id = resource_id(f"https://{partner}.example/", "Patient", key)
        self.conn.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, %s, %s, '{}')"
            " ON CONFLICT DO NOTHING",
            (fhir_id, golden_id(fhir_id), partner, fhir_id),
        )
        resource = {"resourceType": "Patient", "id": fhir_id, **elements}
        self.publish(self.item(partner, resource, labels=labels))
        return fhir_id

    def link(self, a: str, b: str, grade: str = "certain") -> None:
        """Joins two Patients, as linkage would, and lets consents follow."""
        self.conn.execute(
            "INSERT INTO patient_edge (a, b, grade, probability, basis)"
            " SELECT p.patient, q.patient, %s, 1, 'steward' FROM patient p, patient q"
            " WHERE (p.fhir_id, q.fhir_id) IN ((%s, %s), (%s, %s))",
            (grade, a, b, b, a),
        )
        self.conn.execute(
            "UPDATE patient SET person = (SELECT person FROM patient WHERE fhir_id IN (%(a)s, %(b)s)"
            "  ORDER BY person LIMIT 1)"
            " WHERE person IN (SELECT person FROM patient WHERE fhir_id IN (%(a)s, %(b)s))",
            {"a": a, "b": b},
        )
        numbers = self.conn.execute(
            "SELECT patient FROM patient WHERE fhir_id IN (%s, %s)", (a, b)
        ).fetchall()
        reprofile(self.conn, {row[0] for row in numbers}, self.context, self.at)
        self.conn.commit()

    def link_again(self, patient: str) -> None:
        """Lets relationships and consents follow the links as they are now."""
        numbers = self.conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", (patient,)).fetchall()
        reprofile(self.conn, {row[0] for row in numbers}, self.context, self.at)
        self.conn.commit()

    def unlink(self, a: str, b: str) -> None:
        """Separates two Patients who have no other links."""
        self.conn.execute("DELETE FROM patient_edge")
        self.conn.execute("UPDATE patient SET person = fhir_id")
        for patient in (a, b):
            self.link_again(patient)

    def item(self, partner: str, resource: Resource, **changes: object) -> PublishItem:
        """An item with everyday values; an id is made from `key` when the resource has none."""
        subject = resource.get("subject") or resource.get("patient") or {}
        own = resource["id"] if resource["resourceType"] == "Patient" else None
        values = {
            "labels": Labels(),
            "redacted": None,
            "patient": own or subject.get("reference", "").removeprefix("Patient/") or None,
            "record": next(self.records),
            "event_time": AT - timedelta(days=1),
            "cluster": None,
            "trust": 10,
            "mapping_digest": "m1",
            "rules_digest": "r1",
        }
        return PublishItem(resource=resource, partner=partner, **{**values, **changes})

    def publish(self, *items: PublishItem, deleted: tuple[str, ...] = ()) -> PublishResult:
        result = publish(self.conn, items, deleted, self.context, self.at)
        self.conn.commit()
        return result

    def pages(self, viewer: Viewer, resource_type: str, asked: str) -> list[Page]:
        """Every page of a search, following the links."""
        found: list[Page] = []
        pairs = parse_qsl(asked)
        while len(found) < _MOST_PAGES:
            with self.as_viewer(viewer) as view:
                found.append(search(view, resource_type, pairs, BASE, KEY))
            following = found[-1].next
            if following is None:
                return found
            pairs = parse_qsl(urlsplit(following).query)
        raise AssertionError("the pages do not end")

    def as_viewer(self, viewer: Viewer, at: datetime | None = None) -> AbstractContextManager[Reader]:
        return reader(_Lender(self.conn), viewer, at or self.at)


@dataclass
class _Lender:
    """A pool of one connection."""

    conn: psycopg.Connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        yield self.conn


def observation(partner: str, patient: str, key: str, **elements: object) -> Resource:
    """A glucose measurement of a patient."""
    return {
        "resourceType": "Observation",
        "id": resource_id(f"https://{partner}.example/", "Observation", key),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-20T10:00:00-06:00",
        "valueQuantity": {"value": 98, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        **elements,
    }

"""A few people's records in a real repository under a small law: what the API's tests ask about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from exchange.consent import Context, Participant, parse_rules
from exchange.consent.participants import participant
from exchange.model.ids import golden_id, resource_id
from exchange.model.partner import Partner
from exchange.model.records import Labels, Resource
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.storage.items import PublishItem
from exchange.repository.write import publish

_HERE = Path(__file__).parent
_AT = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asking(Participant):
    """A participant with the purposes of its partner.yaml, from which its viewers are made."""

    purposes: tuple[str, ...] = ()


def context_of(partners: dict[str, Partner]) -> Context:
    files = {
        "vocabulary.yaml": (_HERE.parents[1] / "consent" / "vocabulary.yaml").read_text("utf-8"),
        "policies/tests.yaml": (_HERE / "policies.yaml").read_text("utf-8"),
    }
    return Context(parse_rules(files), {code: _asking(partner) for code, partner in partners.items()})


def _asking(partner: Partner) -> Participant:
    facts = participant(partner)
    values = {name: getattr(facts, name) for name in Participant.__dataclass_fields__}
    return Asking(**{**values, "purposes": partner.requests.purposes})


@dataclass(slots=True)
class Records:
    """Publishes as the pipeline would; every method returns the id of what it published."""

    conn: psycopg.Connection
    context: Context
    number: int = 0

    def register(self) -> None:
        register_participants(self.conn, self.context, _AT)
        self.conn.commit()

    def patient(self, partner: str, key: str, **elements: object) -> str:
        fhir_id = resource_id(f"https://{partner}.example/", "Patient", key)
        self.conn.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, %s, %s, '{}')",
            (fhir_id, golden_id(fhir_id), partner, fhir_id),
        )
        return self._publish(partner, {"resourceType": "Patient", "id": fhir_id, **elements}, fhir_id, ())

    def publish_patient(self, partner: str, fhir_id: str, *labels: str) -> str:
        """Sends a Patient again, under other labels."""
        return self._publish(partner, {"resourceType": "Patient", "id": fhir_id}, fhir_id, labels)

    def observation(self, partner: str, patient: str, key: str, *labels: str, code: str = "2345-7") -> str:
        resource = {
            "resourceType": "Observation",
            "id": resource_id(f"https://{partner}.example/", "Observation", key),
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": "2026-11-01T10:00:00-06:00",
        }
        return self._publish(partner, resource, patient, labels)

    def organization(self, partner: str, name: str) -> str:
        key = resource_id(f"https://{partner}.example/", "Organization", name)
        return self._publish(partner, {"resourceType": "Organization", "id": key, "name": name}, None, ())

    def consent(self, partner: str, patient: str, kind: str, *actions: str, version: str = "1") -> str:
        """A person permits or denies everybody these actions (consentaction); the Consent's id."""
        consent = {
            "resourceType": "Consent",
            "id": resource_id(f"https://{partner}.example/", "Consent", patient),
            "meta": {"versionId": version},
            "status": "active",
            "scope": _code("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
            "category": [_code("http://loinc.org", "59284-0")],
            "patient": {"reference": f"Patient/{patient}"},
            "dateTime": "2026-01-01",
            "sourceAttachment": {"title": "form"},
            "provision": {
                "type": kind,
                "action": [
                    _code("http://terminology.hl7.org/CodeSystem/consentaction", code) for code in actions
                ],
            },
        }
        return self._publish(partner, consent, patient, ())

    def delete(self, *references: str) -> None:
        publish(self.conn, [], references, self.context, datetime.now(UTC))
        self.conn.commit()

    def link(self, one: str, other: str) -> None:
        self.conn.execute(
            "INSERT INTO patient_edge (a, b, grade, probability, basis)"
            " SELECT p.patient, q.patient, 'certain', 1, 'steward' FROM patient p, patient q"
            " WHERE (p.fhir_id, q.fhir_id) IN ((%s, %s), (%s, %s))",
            (one, other, other, one),
        )
        self.conn.execute(
            "UPDATE patient SET person = least(%(one)s::uuid, %(other)s::uuid)"
            " WHERE fhir_id IN (%(one)s, %(other)s)",
            {"one": one, "other": other},
        )
        self.conn.commit()

    def _publish(self, partner: str, resource: Resource, patient: str | None, labels: tuple[str, ...]) -> str:
        self.number += 1
        item = PublishItem(
            resource=resource,
            labels=Labels("R" if labels else "N", frozenset(labels)),
            redacted=None,
            patient=patient,
            partner=partner,
            record=self.number,
            event_time=_AT - timedelta(days=1),
            cluster=None,
            trust=10,
            mapping_digest="m1",
            rules_digest="r1",
        )
        publish(self.conn, [item], (), self.context, datetime.now(UTC))
        self.conn.commit()
        return str(resource["id"])


def _code(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}

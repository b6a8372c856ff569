"""A hospital, a clinic and a substance use program under the real rules, with a post office that sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from exchange.audit import Circumstances, Disclosed, Requester, append, read_entry
from exchange.consent import Context, parse_rules, participant
from exchange.content import read_tree
from exchange.crypto import new_signing_key
from exchange.delivery.parcel import Office
from exchange.delivery.sending import Post, deliver
from exchange.delivery.subscriptions import register_subscriptions
from exchange.model.delivery import Delivery
from exchange.model.ids import golden_id, resource_id
from exchange.model.partner import Agreement, Organization, Partner, Requests
from exchange.model.records import Labels, Resource, Viewer
from exchange.repository import read
from exchange.repository.disclosure.registering import register_participants
from tests.repository.repository_world import AT, World

ROOT = Path(__file__).resolve().parents[2]
KEY = new_signing_key()
HIDDEN = Labels("V", frozenset({"VAWA", "SDV"}))  # the exchange may hold it, the clinic not see it
PART2 = Labels("R", frozenset({"42CFRPart2", "SUD"}))


def partner(code: str, kind: str, part2: bool = False, covered: bool = True) -> Partner:
    return Partner(
        code=code,
        namespace=f"https://{code}.example/",
        organization=Organization(
            name=code.title(), type=kind, covered_entity=covered, part2_program=part2, address="1 Main St"
        ),
        agreement=Agreement(type="QSOA" if part2 else "participation", signed=date(2020, 1, 1)),
        requests=Requests(purposes=("TREAT", "HOPERAT") if covered else ("COC",)),
    )


PARTNERS = {
    found.code: found
    for found in (
        partner("hospital", "hospital"),
        partner("clinic", "clinic"),
        partner("harbor", "sud-program", part2=True),
        partner("food", "food", covered=False),
    )
}


@cache
def rules_in_force() -> Any:
    return parse_rules(read_tree(ROOT / "consent"))


def context() -> Context:
    return Context(rules_in_force(), {code: participant(p) for code, p in PARTNERS.items()})


def delivery(url: str, *topics: str, kind: str = "rest_hook", **changes: Any) -> Delivery:
    values = {
        "topics": topics or ("admission", "discharge", "transfer"),
        "channel": {"type": kind, "options": {"url": url, "timeout_seconds": 2}},
        "purpose": "TREAT",
        **changes,
    }
    return Delivery.model_validate(values)


@dataclass
class Clinic(World):
    """The repository with deliveries; `now` is the clock of everything, and only goes forwards."""

    url: str = ""
    now: datetime = AT
    deliveries: dict[str, dict[str, Delivery]] = field(default_factory=dict)

    def subscribe(self, participant_: str = "clinic", **found: Delivery) -> None:
        self.deliveries[participant_] = found
        partners = {
            code: p.model_copy(update={"deliveries": self.deliveries.get(code, {})})
            for code, p in PARTNERS.items()
        }
        register_subscriptions(self.conn, partners, self.now)
        self.conn.commit()

    def post(self) -> Post:
        office = Office(
            self.context, "https://exchange.example/fhir", KEY, lambda code: code.title(), lambda: self.now
        )
        return Post(self._connect, office, {})

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url) as conn:
            yield conn

    def send(self, *every: str) -> Counter[str]:
        return deliver(self.post(), every or ("at-once",))

    def later(self, **delta: float) -> None:
        self.now = self.at = self.now + timedelta(**delta)

    def patient(self, partner_: str, key: str, labels: Labels = Labels(), **elements: object) -> str:  # noqa: B008
        """An adult, so that no record of his is a minor's own care."""
        fhir_id = resource_id(f"https://{partner_}.example/", "Patient", key)
        self.conn.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            ' VALUES (%s, %s, %s, %s, \'{"birth_date": "1980-02-03"}\') ON CONFLICT DO NOTHING',
            (fhir_id, golden_id(fhir_id), partner_, fhir_id),
        )
        return super().patient(partner_, key, labels, **elements)

    def person(self, key: str = "1", **elements: object) -> tuple[str, str]:
        """One person with a chart at the hospital and one at the clinic, linked."""
        named = {
            "name": [{"family": f"Rivera{key}", "given": ["Ana"]}],
            "birthDate": "1980-02-03",
            **elements,
        }
        ids = self.patient("hospital", key, **named), self.patient("clinic", key, **named)
        self.link(*ids)
        return ids

    def visit(self, patient: str, status: str, key: str = "v1", **elements: Any) -> Resource:
        return {
            "resourceType": "Encounter",
            "id": resource_id("https://hospital.example/", "Encounter", key),
            "status": status,
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": f"Patient/{patient}"},
            "period": {"start": "2026-11-22T10:00:00-06:00"},
            **elements,
        }

    def admit(self, patient: str, status: str = "in-progress", **changes: Any) -> str:
        """Publishes a visit of the hospital; returns its id."""
        labels = changes.pop("labels", Labels())
        visit = self.visit(patient, status, **changes)
        self.publish(self.item(changes.get("partner", "hospital"), visit, labels=labels))
        return str(visit["id"])

    def ask(self, statement: str, *arguments: object) -> list[Any]:
        rows = self.conn.execute(statement, arguments or None).fetchall()
        self.conn.commit()
        return [row[0] for row in rows]

    def consent(
        self, patient: str, version: str = "1", status: str = "active", actions: tuple[str, ...] = ()
    ) -> str:
        """The person lets the substance use program tell the clinic for treatment; the Consent's id.

        `actions` (consentaction): whether the clinic may ask (`access`) or be sent (`disclose`); () is both.
        """
        code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2CD"}
        scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        given = {
            "resourceType": "Consent",
            "id": resource_id("https://harbor.example/", "Consent", patient),
            "meta": {"versionId": version},
            "status": status,
            "scope": {"coding": [scope]},
            "category": [{"coding": [code]}],
            "patient": {"reference": f"Patient/{patient}"},
            "dateTime": "2026-03-02T10:15:00-06:00",
            "organization": [_named("harbor")],
            "sourceReference": {"reference": "DocumentReference/signed"},
            "policy": [{"uri": "https://mosaic-exchange.example/policy/part2"}],
            "provision": {
                "type": "permit",
                "period": {"start": "2026-03-02", "end": "2031-03-01"},
                "actor": [{"role": {"text": "recipient"}, "reference": _named("clinic")}],
                **({"action": [_action(code) for code in actions]} if actions else {}),
                "purpose": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
                ],
            },
        }
        item = self.item("harbor", given, patient=patient, event_time=self.at, labels=PART2)
        self.publish(item)
        return str(given["id"])

    def refuse(self, patient: str, actions: tuple[str, ...], version: str = "1") -> str:
        """The person denies the clinic these actions, by a Consent of the hospital; its id."""
        scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        given = {
            "resourceType": "Consent",
            "id": resource_id("https://hospital.example/", "Consent", patient),
            "meta": {"versionId": version},
            "status": "active",
            "scope": {"coding": [scope]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": f"Patient/{patient}"},
            "dateTime": "2026-03-02T10:15:00-06:00",
            "organization": [_named("hospital")],
            "policy": [{"uri": "https://mosaic-exchange.example/policy/privacy"}],
            "provision": {
                "type": "permit",
                "provision": [
                    {
                        "type": "deny",
                        "actor": [{"role": {"text": "recipient"}, "reference": _named("clinic")}],
                        "action": [_action(code) for code in actions],
                    }
                ],
            },
        }
        self.publish(self.item("hospital", given, patient=patient, event_time=self.at))
        return str(given["id"])

    def ask_api(self, viewer: Viewer, kind: str, fhir_id: str) -> bytes | None:
        """One read as the API does it: the record of it in the transaction that reads."""
        with self.as_viewer(viewer) as view:
            found = read(view, kind, fhir_id)
            if found is None:
                return None
            who = Requester("ehr", viewer.participant, viewer.participant, viewer.role, viewer.purpose, "t")
            how = Circumstances(self.now, "https://exchange.example", "192.0.2.1", "r")
            shown = Disclosed(next(iter(found.patients), None), because=found.because)
            append(view.conn, [read_entry(who, how, f"{kind}/{fhir_id}", shown)])
            return found.body


def _action(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": code}]}


def _named(code: str) -> Resource:
    return {"identifier": {"system": "urn:mosaic:partner", "value": code}}


def open_world(conn: psycopg.Connection, url: str) -> Clinic:
    found = context()
    register_participants(conn, found, AT)
    conn.commit()
    return Clinic(conn, found, url=url)

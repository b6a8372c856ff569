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

from exchange.consent import Context, parse_rules, participant
from exchange.content import read_tree
from exchange.crypto import new_signing_key
from exchange.delivery.parcel import Office
from exchange.delivery.sending import Post, deliver
from exchange.delivery.subscriptions import register_subscriptions
from exchange.model.delivery import Delivery
from exchange.model.ids import resource_id
from exchange.model.partner import Agreement, Organization, Partner, Requests
from exchange.model.records import Labels, Resource
from exchange.repository.disclosure.ruling import register_participants
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
        agreement=Agreement(type="participation", signed=date(2020, 1, 1)),
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


def open_world(conn: psycopg.Connection, url: str) -> Clinic:
    found = context()
    register_participants(conn, found, AT)
    conn.commit()
    return Clinic(conn, found, url=url)

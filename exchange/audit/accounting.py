"""Accounting of disclosures: who received what about one person (45 CFR 164.528(b))."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from exchange.model.audit import DISCLOSURES, GIVEN_AS, LOOKED, Giving

_ENTITY_QUERY = "24"
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_OBJECT_ROLE_RESOURCE = "4"
_REPORT = "3"
_RULE = "urn:mosaic:rule:"
_PAGE = "page"
CONSOLE = "(console)"
"""In the place of a participant: those who work with the exchange itself."""

# A requester knows a person by the golden id of what he may see, so every id of the person's records counts.
_DISCLOSURES = """
SELECT event.sequence, event.kind, event.participant, event.patient::text, event.body
FROM audit_event AS event
WHERE event.kind = ANY (%(kinds)s)
  AND event.patient IN (
    SELECT unnest(ARRAY[same.fhir_id, same.golden_id])
    FROM patient AS asked JOIN patient AS same ON same.person = asked.person
    WHERE %(patient)s::uuid IN (asked.fhir_id, asked.golden_id)
    UNION SELECT %(patient)s::uuid
  )
ORDER BY event.sequence
"""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One answer that held something about the person: when, to whom, what, why, and under which rules.

    `about`: the person as the recipient knew him; `delivery`: its id, of what was sent unasked.
    """

    sequence: int
    at: datetime
    kind: str
    participant: str
    recipient: str
    role: str
    purpose: str
    resources: tuple[str, ...]
    because: tuple[str, ...]
    request: str
    about: str | None = None
    delivery: str | None = None

    @property
    def given_as(self) -> Giving:
        return GIVEN_AS[self.kind]


def accounting(conn: psycopg.Connection, patient: str) -> list[Disclosure]:
    """A person's disclosures, oldest first; `patient` is the id of any Patient of that person."""
    rows = conn.execute(_DISCLOSURES, {"patient": patient, "kinds": list(DISCLOSURES)}).fetchall()
    return [_disclosure(*row) for row in rows]


def looks(conn: psycopg.Connection, patient: str) -> list[Disclosure]:
    """When people at the exchange's own console saw the person's data, oldest first; nobody by name.

    No disclosure to anybody, and still an answer to who saw what.
    """
    rows = conn.execute(_DISCLOSURES, {"patient": patient, "kinds": list(LOOKED)}).fetchall()
    return [
        Disclosure(
            sequence=sequence,
            at=datetime.fromisoformat(event["recorded"]),
            kind=kind,
            participant=CONSOLE,
            recipient=event["source"]["observer"]["display"],
            role=event["agent"][0].get("role", [{"text": ""}])[0]["text"],
            purpose=event["purposeOfEvent"][0]["coding"][0]["code"],
            resources=(_PAGE,),
            because=(),
            request="",
            about=about,
        )
        for sequence, kind, _, about, event in rows
    ]


def look_without_names(event: Mapping[str, Any], patient: str) -> dict[str, Any]:
    """The AuditEvent of a look as its Patient may have it: no login, no page, nobody else of a pair."""
    kept = ("resourceType", "type", "action", "recorded", "outcome", "purposeOfEvent", "source")
    roles = [{"role": agent["role"]} for agent in event["agent"] if "role" in agent] or [{}]
    return {
        **{name: event[name] for name in kept},
        "agent": [{**roles[0], "who": event["source"]["observer"], "requestor": True}],
        "entity": [
            one for one in event["entity"] if one.get("what", {}).get("reference") == f"Patient/{patient}"
        ],
    }


def _disclosure(
    sequence: int, kind: str, participant: str, about: str | None, event: Mapping[str, Any]
) -> Disclosure:
    agents = event["agent"]
    recipient = next(agent for agent in agents if agent["requestor"])
    policies = [policy for agent in agents for policy in agent.get("policy", ())]
    return Disclosure(
        sequence=sequence,
        at=datetime.fromisoformat(event["recorded"]),
        kind=kind,
        participant=participant,
        recipient=recipient["who"]["display"],
        role=recipient.get("role", [{"text": ""}])[0]["text"],
        purpose=event["purposeOfEvent"][0]["coding"][0]["code"],
        resources=tuple(_resources(event)),
        because=tuple(p.removeprefix(_RULE) for p in policies if p.startswith(_RULE)),
        request=_request(event),
        about=about,
        delivery=_delivery(event) if kind == "disclosure" else None,
    )


def _resources(event: Mapping[str, Any]) -> list[str]:
    """`Type/id` of what was in the answer; only the type where nothing more was recorded."""
    found = []
    for entity in event["entity"]:
        if entity.get("role", {}).get("code") != _OBJECT_ROLE_RESOURCE:
            continue
        kind = entity["type"]
        if kind["system"] != _RESOURCE_TYPES:
            found.append(entity["what"]["reference"])
            continue
        ids = [key for detail in entity.get("detail", ()) for key in detail["valueString"].split()]
        found += [f"{kind['code']}/{key}" for key in ids] or [kind["code"]]
    return found


def _request(event: Mapping[str, Any]) -> str:
    for entity in event["entity"]:
        if entity.get("role", {}).get("code") == _ENTITY_QUERY:
            return b64decode(entity["query"]).decode()
    return ""


def _delivery(event: Mapping[str, Any]) -> str | None:
    for entity in event["entity"]:
        if entity.get("role", {}).get("code") == _REPORT:
            return str(entity["what"]["identifier"]["value"]).removeprefix("urn:uuid:")
    return None

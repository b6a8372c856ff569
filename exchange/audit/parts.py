"""The pieces AuditEvents are made of: who, when, about whom, which records, on whose request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from exchange.model.records import Resource

BALP = "https://profiles.ihe.net/ITI/BALP"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SUCCESS, MINOR_FAILURE, SERIOUS_FAILURE = "0", "4", "8"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, as the access token says; `organization` is name and address as they are today."""

    client: str
    participant: str
    organization: str
    role: str
    purpose: str
    token: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, where and under which X-Request-Id an exchange of messages happened."""

    at: datetime
    base_url: str
    address: str
    request_id: str


def recorded(at: datetime) -> str:
    """A time as every record says it, so that texts are in the order of time.

    >>> recorded(datetime(2026, 11, 26, 9, 30, tzinfo=UTC))
    '2026-11-26T09:30:00.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def frame(action: str, how: Circumstances, outcome: str) -> Resource:
    """When, by which server, with which outcome."""
    return {
        "resourceType": "AuditEvent",
        "action": action,
        "recorded": recorded(how.at),
        "outcome": outcome,
        "source": {
            "site": urlsplit(how.base_url).netloc,
            "observer": server(how),
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
    }


def meta(profile: str | None) -> Resource:
    """`meta` of a BALP pattern, or of what has none; the record itself is restricted."""
    return {
        **({"profile": [f"{BALP}/StructureDefinition/IHE.BasicAudit.{profile}"]} if profile else {}),
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
    }


def recipient(who: Requester) -> Mapping[str, Any]:
    """The organization that gets the answer, with its name and address as they are today."""
    return {
        "type": concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
        "who": {
            "identifier": {"system": "urn:mosaic:partner", "value": who.participant},
            "display": who.organization,
        },
        "requestor": True,
        **({"role": [{"text": who.role}]} if who.role else {}),
        **({"purposeOfUse": purpose(who.purpose)} if who.purpose else {}),
    }


def agent(kind: Mapping[str, Any], who: Mapping[str, Any], address: str, network: str) -> Mapping[str, Any]:
    """One who took part by machine; `network` is a code of http://hl7.org/fhir/network-type."""
    return {
        "type": kind,
        "who": who,
        "requestor": False,
        "network": {"address": address, "type": network},
    }


def client(who: Requester | None) -> Mapping[str, Any]:
    """The software that asked."""
    if who is None:
        return {"display": "unknown client"}
    return {"identifier": {"value": who.client}, "display": who.organization}


def server(how: Circumstances) -> Mapping[str, Any]:
    """This exchange."""
    return {"identifier": {"value": how.base_url}, "display": "Mosaic Exchange"}


def about(patient: str | None) -> list[Mapping[str, Any]]:
    """The Patient concerned, if any."""
    return [entity(f"Patient/{patient}", "1", "1")] if patient else []


def entity(reference: str, kind: str, role: str) -> Mapping[str, Any]:
    """A resource by reference, with its kind and role."""
    return {
        "what": {"reference": reference},
        "type": {"system": ENTITY_TYPE, "code": kind},
        "role": {"system": OBJECT_ROLE, "code": role},
    }


def records(names: Sequence[str]) -> list[Mapping[str, Any]]:
    """One entity for each type, with the ids that were in the answer."""
    pairs = sorted(tuple(name.split("/")) for name in names)
    return [
        {
            "type": {"system": "http://hl7.org/fhir/resource-types", "code": kind},
            "role": {"system": OBJECT_ROLE, "code": "4"},
            "detail": [{"type": "ids", "valueString": " ".join(key for _, key in of_type)}],
        }
        for kind, of_type in groupby(pairs, key=lambda pair: pair[0])
    ]


def request(how: Circumstances) -> Mapping[str, Any]:
    """The X-Request-Id."""
    return {
        "what": {"identifier": {"value": how.request_id}},
        "type": {"system": f"{BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"},
    }


def query(request: str) -> Mapping[str, Any]:
    """What was asked, in base64 as it came."""
    return {
        "type": {"system": ENTITY_TYPE, "code": "2"},
        "role": {"system": OBJECT_ROLE, "code": "24"},
        "query": b64encode(request.encode()).decode(),
    }


def token(who: Requester, how: Circumstances) -> Mapping[str, Any]:
    """The access token by its id."""
    return {
        "what": {"identifier": {"value": f"urn:ietf:params:oauth:jti:{who.token}"}},
        "type": {"system": ENTITY_TYPE, "code": "2"},
        "role": {"system": OBJECT_ROLE, "code": "13"},
        "detail": [{"type": "X-Request-Id", "valueString": how.request_id}],
    }


def concept(system: str, code: str) -> Mapping[str, Any]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code}]}


def purpose(code: str) -> list[Mapping[str, Any]]:
    """A v3-ActReason as it stands in an event."""
    return [concept(REASON, code)]

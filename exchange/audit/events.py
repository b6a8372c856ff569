"""AuditEvents by the patterns of IHE Basic Audit Log Patterns (BALP).

https://profiles.ihe.net/ITI/BALP/
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal
from urllib.parse import urlsplit

from exchange.model.records import Resource

Kind = Literal[
    "read",
    "query",
    "everything",
    "denied",
    "token.issued",
    "token.refused",
    "token.revoked",
    "match.viewed",
    "match.decided",
    "console.sign-in",
    "console.viewed",
]

_BALP = "https://profiles.ihe.net/ITI/BALP"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_GET_TOKEN = {"system": "urn:ihe:event-type-code", "code": "ITI-71", "display": "Get Access Token"}
_REVOCATION = {"system": "urn:ietf:rfc:7009", "code": "revocation", "display": "Token Revocation"}
_SUCCESS, _MINOR_FAILURE, _SERIOUS_FAILURE = "0", "4", "8"


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One record for the chain: the AuditEvent and what it is found by."""

    kind: Kind
    participant: str | None
    patient: str | None
    event: Resource


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What one Patient's share of an answer was: `Type/id` of each, and the rules that let them out."""

    patient: str | None
    records: tuple[str, ...] = ()
    because: tuple[str, ...] = ()


def read_entry(who: Requester, how: Circumstances, reference: str, shown: Disclosed) -> Entry:
    """A resource was read (profile Read, or PatientRead when it is about somebody)."""
    entities = [_entity(reference, "2", "4"), *_about(shown.patient), _request(how)]
    event = _event("PatientRead" if shown.patient else "Read", "R", "read", who, how)
    agents = _agents(who, how, client="110152", server="110153", because=shown.because)
    return Entry("read", who.participant, shown.patient, {**event, "agent": agents, "entity": entities})


def query_entries(
    who: Requester, how: Circumstances, request: str, shown: Sequence[Disclosed], operation: bool = False
) -> list[Entry]:
    """One record per Patient in the answer (PatientQuery), or one without when it holds nobody (Query)."""
    kind: Kind = "everything" if operation else "query"
    code = "operation" if operation else "search-type"

    def entry(part: Disclosed) -> Entry:
        event = _event("PatientQuery" if part.patient else "Query", "E", code, who, how)
        agents = _agents(who, how, client="110153", server="110152", because=part.because)
        entities = [_query(request), *_about(part.patient), *_records(part.records), _request(how)]
        return Entry(kind, who.participant, part.patient, {**event, "agent": agents, "entity": entities})

    return [entry(part) for part in shown or [Disclosed(None)]]


def denied_entry(
    who: Requester, how: Circumstances, request: str, reason: str, serious: bool = True
) -> Entry:
    """A request was answered with nothing: refused, or about something the requester does not have.

    `request` is recorded in base64 as it came; `reason` is a code of ours, never a hint at hidden data.
    """
    event = {
        **_frame("E", how, _SERIOUS_FAILURE if serious else _MINOR_FAILURE),
        "type": {"system": _DCM, "code": "110113", "display": "Security Alert"} if serious else _REST,
        "outcomeDesc": reason,
        "purposeOfEvent": _purpose(who.purpose),
        "agent": _agents(who, how, client="110153", server="110152"),
        "entity": [_query(request), _request(how)],
    }
    return Entry("denied", who.participant, None, event)


def token_entry(
    kind: Literal["token.issued", "token.refused", "token.revoked"],
    who: Requester | None,
    how: Circumstances,
    request: str,
    reason: str = "",
) -> Entry:
    """A client asked for a token or gave one back (IHE IUA Get Access Token, ITI-71).

    `request` is the message without the assertion; `who` None: the client could not be told.
    """
    refused = kind == "token.refused"
    event = {
        **_frame("E", how, _SERIOUS_FAILURE if refused else _SUCCESS),
        "type": {"system": _DCM, "code": "110114", "display": "User Authentication"},
        "subtype": [_REVOCATION if kind == "token.revoked" else _GET_TOKEN],
        "agent": [
            _agent(_concept(_DCM, "110150"), _client(who), how.address, "2"),
            _agent(
                _concept(f"{_BALP}/CodeSystem/UserAgentTypes", "AuthzOauthService"),
                _server(how),
                f"{how.base_url}/auth/token",
                "5",
            ),
            *([_recipient(who)] if who else []),
        ],
        "entity": [_query(request), *([_token(who, how)] if who and who.token else [])],
        **({"outcomeDesc": reason} if reason else {}),
    }
    return Entry(kind, who.participant if who else None, None, event)


def _frame(action: str, how: Circumstances, outcome: str) -> Resource:
    return {
        "resourceType": "AuditEvent",
        "action": action,
        "recorded": how.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": outcome,
        "source": {
            "site": urlsplit(how.base_url).netloc,
            "observer": _server(how),
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
    }


def _event(profile: str, action: str, interaction: str, who: Requester, how: Circumstances) -> Resource:
    return {
        **_frame(action, how, _SUCCESS),
        "meta": {
            "profile": [f"{_BALP}/StructureDefinition/IHE.BasicAudit.{profile}"],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
        },
        "type": _REST,
        "subtype": [{"system": _INTERACTION, "code": interaction}],
        "purposeOfEvent": _purpose(who.purpose),
    }


def _agents(
    who: Requester, how: Circumstances, *, client: str, server: str, because: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    return [
        {
            **_agent(_concept(_DCM, client), _client(who), how.address, "2"),
            "policy": [f"urn:ietf:params:oauth:jti:{who.token}"],
        },
        {
            **_agent(_concept(_DCM, server), _server(how), f"{how.base_url}/fhir", "5"),
            **({"policy": [f"urn:mosaic:rule:{rule}" for rule in because]} if because else {}),
        },
        _recipient(who),
    ]


def _recipient(who: Requester) -> Mapping[str, Any]:
    return {
        "type": _concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
        "who": {
            "identifier": {"system": "urn:mosaic:partner", "value": who.participant},
            "display": who.organization,
        },
        "requestor": True,
        **({"role": [{"text": who.role}]} if who.role else {}),
        **({"purposeOfUse": _purpose(who.purpose)} if who.purpose else {}),
    }


def _agent(kind: Mapping[str, Any], who: Mapping[str, Any], address: str, network: str) -> Mapping[str, Any]:
    return {
        "type": kind,
        "who": who,
        "requestor": False,
        "network": {"address": address, "type": network},
    }


def _client(who: Requester | None) -> Mapping[str, Any]:
    if who is None:
        return {"display": "unknown client"}
    return {"identifier": {"value": who.client}, "display": who.organization}


def _server(how: Circumstances) -> Mapping[str, Any]:
    return {"identifier": {"value": how.base_url}, "display": "Mosaic Exchange"}


def _about(patient: str | None) -> list[Mapping[str, Any]]:
    return [_entity(f"Patient/{patient}", "1", "1")] if patient else []


def _entity(reference: str, kind: str, role: str) -> Mapping[str, Any]:
    return {
        "what": {"reference": reference},
        "type": {"system": _ENTITY_TYPE, "code": kind},
        "role": {"system": _OBJECT_ROLE, "code": role},
    }


def _records(names: Sequence[str]) -> list[Mapping[str, Any]]:
    """One entity for each type, with the ids that were in the answer."""
    pairs = sorted(tuple(name.split("/")) for name in names)
    return [
        {
            "type": {"system": "http://hl7.org/fhir/resource-types", "code": kind},
            "role": {"system": _OBJECT_ROLE, "code": "4"},
            "detail": [{"type": "ids", "valueString": " ".join(key for _, key in of_type)}],
        }
        for kind, of_type in groupby(pairs, key=lambda pair: pair[0])
    ]


def _request(how: Circumstances) -> Mapping[str, Any]:
    return {
        "what": {"identifier": {"value": how.request_id}},
        "type": {"system": f"{_BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"},
    }


def _query(request: str) -> Mapping[str, Any]:
    return {
        "type": {"system": _ENTITY_TYPE, "code": "2"},
        "role": {"system": _OBJECT_ROLE, "code": "24"},
        "query": b64encode(request.encode()).decode(),
    }


def _token(who: Requester, how: Circumstances) -> Mapping[str, Any]:
    return {
        "what": {"identifier": {"value": f"urn:ietf:params:oauth:jti:{who.token}"}},
        "type": {"system": _ENTITY_TYPE, "code": "2"},
        "role": {"system": _OBJECT_ROLE, "code": "13"},
        "detail": [{"type": "X-Request-Id", "valueString": how.request_id}],
    }


def _concept(system: str, code: str) -> Mapping[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _purpose(code: str) -> list[Mapping[str, Any]]:
    return [_concept(_REASON, code)]

"""AuditEvents by the patterns of IHE Basic Audit Log Patterns (BALP).

https://profiles.ihe.net/ITI/BALP/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exchange.audit import parts
from exchange.audit.parts import BALP, DCM, MINOR_FAILURE, SERIOUS_FAILURE, SUCCESS, Circumstances, Requester
from exchange.model.audit import Kind
from exchange.model.records import Resource

_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_SEARCHES = ("search", "search-type", "search-system")
_REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}
_GET_TOKEN = {"system": "urn:ihe:event-type-code", "code": "ITI-71", "display": "Get Access Token"}
_REVOCATION = {"system": "urn:ietf:rfc:7009", "code": "revocation", "display": "Token Revocation"}


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


def read_entry(
    who: Requester, how: Circumstances, reference: str, shown: Disclosed, interaction: str = "read"
) -> Entry:
    """A resource was read (profile Read, or PatientRead when it is about somebody), or an old version."""
    entities = [parts.entity(reference, "2", "4"), *parts.about(shown.patient), parts.request(how)]
    event = _event("PatientRead" if shown.patient else "Read", "R", interaction, who, how)
    agents = _agents(who, how, client="110152", server="110153", because=shown.because)
    return Entry("read", who.participant, shown.patient, {**event, "agent": agents, "entity": entities})


def query_entries(
    who: Requester,
    how: Circumstances,
    request: str,
    shown: Sequence[Disclosed],
    operation: bool = False,
    interaction: str = "search-type",
) -> list[Entry]:
    """One record per Patient in the answer (PatientQuery), or one without when it holds nobody (Query)."""
    kind: Kind = "everything" if operation else "query"
    code = "operation" if operation else interaction

    def entry(part: Disclosed) -> Entry:
        # The pattern is one of searches alone; an operation or a history is written alike and claims none.
        pattern = ("PatientQuery" if part.patient else "Query") if code in _SEARCHES else None
        event = _event(pattern, "E", code, who, how)
        agents = _agents(who, how, client="110153", server="110152", because=part.because)
        entities = [
            parts.query(request),
            *parts.about(part.patient),
            *parts.records(part.records),
            parts.request(how),
        ]
        return Entry(kind, who.participant, part.patient, {**event, "agent": agents, "entity": entities})

    return [entry(part) for part in shown or [Disclosed(None)]]


def denied_entry(
    who: Requester, how: Circumstances, request: str, reason: str, serious: bool = True
) -> Entry:
    """A request was answered with nothing: refused, or about something the requester does not have.

    `request` is recorded in base64 as it came; `reason` is a code of ours, never a hint at hidden data.
    """
    event = {
        **parts.frame("E", how, SERIOUS_FAILURE if serious else MINOR_FAILURE),
        "type": {"system": DCM, "code": "110113", "display": "Security Alert"} if serious else _REST,
        "outcomeDesc": reason,
        "purposeOfEvent": parts.purpose(who.purpose),
        "agent": _agents(who, how, client="110153", server="110152"),
        "entity": [parts.query(request), parts.request(how)],
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
        **parts.frame("E", how, SERIOUS_FAILURE if refused else SUCCESS),
        "type": {"system": DCM, "code": "110114", "display": "User Authentication"},
        "subtype": [_REVOCATION if kind == "token.revoked" else _GET_TOKEN],
        "agent": [
            parts.agent(parts.concept(DCM, "110150"), parts.client(who), how.address, "2"),
            parts.agent(
                parts.concept(f"{BALP}/CodeSystem/UserAgentTypes", "AuthzOauthService"),
                parts.server(how),
                f"{how.base_url}/auth/token",
                "5",
            ),
            *([parts.recipient(who)] if who else []),
        ],
        "entity": [parts.query(request), *([parts.token(who, how)] if who and who.token else [])],
        **({"outcomeDesc": reason} if reason else {}),
    }
    return Entry(kind, who.participant if who else None, None, event)


def _event(
    profile: str | None, action: str, interaction: str, who: Requester, how: Circumstances
) -> Resource:
    return {
        **parts.frame(action, how, SUCCESS),
        "meta": parts.meta(profile),
        "type": _REST,
        "subtype": [{"system": _INTERACTION, "code": interaction}],
        "purposeOfEvent": parts.purpose(who.purpose),
    }


def _agents(
    who: Requester, how: Circumstances, *, client: str, server: str, because: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    return [
        {
            **parts.agent(parts.concept(DCM, client), parts.client(who), how.address, "2"),
            "policy": [f"urn:ietf:params:oauth:jti:{who.token}"],
        },
        {
            **parts.agent(parts.concept(DCM, server), parts.server(how), f"{how.base_url}/fhir", "5"),
            **({"policy": [f"urn:mosaic:rule:{rule}" for rule in because]} if because else {}),
        },
        parts.recipient(who),
    ]

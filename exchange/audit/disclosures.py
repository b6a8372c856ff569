"""AuditEvents of what leaves as itself: what the exchange sends, and files of exports that are fetched.

By BALP's PrivacyDisclosure.Source:

https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.PrivacyDisclosure.Source.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exchange.audit import parts
from exchange.audit.events import Disclosed, Entry
from exchange.audit.parts import DCM, SUCCESS, Circumstances, Requester

_EXPORT = {"system": DCM, "code": "110106", "display": "Export"}
_DISCLOSE = {
    "system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    "code": "disclose",
    "display": "Disclose/Release Record Lifecycle Event",
}
_AUTHORIZER = "429577009"  # patient authorization signature (SNOMED CT), as the pattern asks for


@dataclass(frozen=True, slots=True)
class Sending:
    """One delivery: its id, where it goes (no secrets), and the consents it rests on.

    `request`: what was asked, where somebody fetches it (`kind` is `export` then, `delivery` the job).
    """

    delivery: str
    channel: str
    consents: tuple[str, ...] = ()
    kind: Literal["disclosure", "export"] = "disclosure"
    request: str = ""


def disclosure_entries(
    who: Requester, how: Circumstances, sending: Sending, shown: Sequence[Disclosed]
) -> list[Entry]:
    """One record per Patient a delivery is about, or one without when it is about nobody."""
    return [_entry(who, how, sending, part) for part in shown or [Disclosed(None)]]


def _entry(who: Requester, how: Circumstances, sending: Sending, part: Disclosed) -> Entry:
    rules = [f"urn:mosaic:rule:{rule}" for rule in part.because]
    source = parts.agent(parts.concept(DCM, "110153"), parts.server(how), how.base_url, "5")
    event = {
        **parts.frame("R", how, SUCCESS),
        "meta": parts.meta("PrivacyDisclosure.Source" if part.patient else None),
        "type": _EXPORT,
        "subtype": [_DISCLOSE],
        "purposeOfEvent": parts.purpose(who.purpose),
        "agent": [
            {**source, **({"policy": rules} if rules else {})},
            {
                **parts.recipient(who),
                "type": parts.concept(DCM, "110152"),
                "network": {"address": how.address, "type": "2" if sending.kind == "export" else "5"},
            },
            *_authorizer(part, sending),
        ],
        "entity": [
            *parts.about(part.patient),
            _bundle(sending),
            *([parts.query(sending.request)] if sending.request else []),
            *parts.records(part.records),
            *(parts.entity(consent, "2", "13") for consent in sending.consents),
            parts.request(how),
        ],
    }
    return Entry(sending.kind, who.participant, part.patient, event)


def _authorizer(part: Disclosed, sending: Sending) -> list[Mapping[str, Any]]:
    """The person who consented."""
    if not sending.consents or part.patient is None:
        return []
    who = {"reference": f"Patient/{part.patient}"}
    return [{"type": parts.concept("http://snomed.info/sct", _AUTHORIZER), "who": who, "requestor": False}]


def _bundle(sending: Sending) -> Mapping[str, Any]:
    return {
        "what": {"identifier": {"value": f"urn:uuid:{sending.delivery}"}},
        "type": {"system": parts.ENTITY_TYPE, "code": "2"},
        "role": {"system": parts.OBJECT_ROLE, "code": "3"},
        "description": sending.channel,
    }

"""AuditEvents of a match steward's work: a pair of records looked at, linked, taken apart.

Types are those of ISO 21089: http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from exchange.audit.events import Entry
from exchange.audit.parts import recorded

Act = Literal["access", "link", "unlink", "hold", "unhold"]

_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_KINDS: dict[Act, Literal["match.viewed", "match.decided"]] = {"access": "match.viewed"}


def steward_entries(
    act: Act, steward: str, reason: str, patients: Sequence[str], at: datetime
) -> list[Entry]:
    """One record per Patient concerned; `reason` is the steward's own words and names no patient."""
    event = {
        "resourceType": "AuditEvent",
        "type": {"system": _LIFECYCLE, "code": act},
        "action": "R" if act == "access" else "U",
        "recorded": recorded(at),
        "outcome": "0",
        **({"outcomeDesc": reason} if reason else {}),
        "purposeOfEvent": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "PATADMIN"}]}
        ],
        "agent": [{"who": {"display": steward}, "role": [{"text": "match steward"}], "requestor": True}],
        "source": {"observer": {"display": "Mosaic Exchange"}},
    }
    about = [_patient(fhir_id) for fhir_id in patients]
    kind = _KINDS.get(act, "match.decided")
    return [Entry(kind, None, fhir_id, {**event, "entity": about}) for fhir_id in patients]


def _patient(fhir_id: str) -> dict[str, object]:
    return {
        "what": {"reference": f"Patient/{fhir_id}"},
        "type": {"system": _ENTITY_TYPE, "code": "1", "display": "Person"},
        "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
    }

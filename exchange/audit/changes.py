"""AuditEvents of consents that came, changed or were taken back, by BALP's Update pattern.

https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.PatientUpdate.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from exchange.audit import parts
from exchange.audit.events import Entry
from exchange.audit.parts import DCM, SUCCESS, recorded

_REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}
_UPDATE = {"system": "http://hl7.org/fhir/restful-interaction", "code": "update"}


def consent_entries(partner: str, changed: Sequence[tuple[str, str | None]], at: datetime) -> list[Entry]:
    """One record for each Consent of a partner; `changed`: (`Consent/id`, id of the Patient if known)."""
    return [_entry(partner, consent, patient, at) for consent, patient in changed]


def _entry(partner: str, consent: str, patient: str | None, at: datetime) -> Entry:
    event = {
        "resourceType": "AuditEvent",
        "meta": parts.meta("PatientUpdate" if patient else "Update"),
        "type": _REST,
        "subtype": [_UPDATE],
        "action": "U",
        "recorded": recorded(at),
        "outcome": SUCCESS,
        "agent": [
            {**_by(partner, "110153"), "requestor": True},
            {**_by("exchange", "110152"), "requestor": False},
        ],
        "source": {"observer": {"display": "Mosaic Exchange"}},
        "entity": [*parts.about(patient), parts.entity(consent, "2", "4")],
    }
    return Entry("consent.changed", partner, patient, event)


def _by(participant: str, role: str) -> dict[str, Any]:
    """Who sent or took it; by which way it came is another record's business, so its place is its name."""
    return {
        "type": parts.concept(DCM, role),
        "who": {"identifier": {"system": "urn:mosaic:partner", "value": participant}},
        "network": {"address": f"urn:mosaic:partner:{participant}", "type": "5"},
    }

"""AuditEvents of people at the console: signing in and out, and whose data they looked at.

Codes are those of DICOM PS3.16 context group 400 and 401, as FHIR's audit-event-type and
audit-event-sub-type name them: https://hl7.org/fhir/R4/valueset-audit-event-type.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from exchange.audit.events import Entry
from exchange.audit.parts import recorded

SignIn = Literal["signed-in", "sign-in-refused", "signed-out"]

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_AUTHENTICATION = {"system": _DCM, "code": "110114", "display": "User Authentication"}
_LOGIN = {"system": _DCM, "code": "110122", "display": "Login"}
_LOGOUT = {"system": _DCM, "code": "110123", "display": "Logout"}
_PATIENT_RECORD = {"system": _DCM, "code": "110110", "display": "Patient Record"}
_CONFIGURATION = {"system": _DCM, "code": "110100", "display": "Application Activity"}
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"


def sign_in_entry(what: SignIn, login: str, address: str, at: datetime) -> Entry:
    """One record of a person who signed in, tried to, or signed out; `login` as it was given."""
    event = {
        **_event(_AUTHENTICATION, "E", login, (), at),
        "subtype": [_LOGOUT if what == "signed-out" else _LOGIN],
        "outcome": "8" if what == "sign-in-refused" else "0",
    }
    event["agent"][0]["network"] = {"address": address, "type": "2"}
    return Entry("console.sign-in", None, None, event)


def view_entries(
    login: str, roles: Sequence[str], purpose: str, page: str, patients: Sequence[str | None], at: datetime
) -> list[Entry]:
    """One record per Patient whose data a page of the console showed; `page` is its address.

    None is somebody of whom nothing is known yet, as in a record that could not be read.
    """
    event = {
        **_event(_PATIENT_RECORD, "R", login, roles, at),
        "purposeOfEvent": [{"coding": [{"system": _REASON, "code": purpose}]}],
    }
    shown = {
        "type": {"system": _ENTITY_TYPE, "code": "2", "display": "System Object"},
        "role": {"system": _OBJECT_ROLE, "code": "3", "display": "Report"},
        "name": page,
    }
    return [
        Entry(
            "console.viewed",
            None,
            patient,
            {**event, "entity": [_patient(patient), shown] if patient else [shown]},
        )
        for patient in patients
    ]


def subscription_entry(
    participant: str, login: str, action: Literal["C", "D"], delivery: str, at: datetime
) -> Entry:
    """A person of a participant subscribed at the console, or ended it; `delivery` names it."""
    event = {
        **_event(_CONFIGURATION, action, login, ("partner",), at),
        "entity": [
            {
                "what": {"identifier": {"value": f"urn:mosaic:delivery:{delivery}"}},
                "type": {"system": _ENTITY_TYPE, "code": "2", "display": "System Object"},
                "role": {"system": _OBJECT_ROLE, "code": "9", "display": "Subscriber"},
            }
        ],
    }
    return Entry("subscription.changed", participant, None, event)


def client_entry(
    participant: str, login: str, action: Literal["C", "U", "D"], client: str, at: datetime
) -> Entry:
    """A client was registered or let in again (C), given other keys (U) or switched off (D)."""
    event = {
        **_event(_CONFIGURATION, action, login, (), at),
        "entity": [
            {
                "what": {"identifier": {"system": "urn:mosaic:client", "value": client}},
                "name": client,
                "type": {"system": _ENTITY_TYPE, "code": "2", "display": "System Object"},
                "role": {"system": _OBJECT_ROLE, "code": "13", "display": "Security Resource"},
            }
        ],
    }
    return Entry("client.changed", participant, None, event)


def _event(
    kind: dict[str, str], action: str, login: str, roles: Sequence[str], at: datetime
) -> dict[str, Any]:
    return {
        "resourceType": "AuditEvent",
        "type": kind,
        "action": action,
        "recorded": recorded(at),
        "outcome": "0",
        "agent": [
            {"who": {"display": login}, "role": [{"text": role} for role in roles], "requestor": True}
            if roles
            else {"who": {"display": login}, "requestor": True}
        ],
        "source": {"observer": {"display": "Mosaic Exchange"}},
    }


def _patient(fhir_id: str) -> dict[str, object]:
    return {
        "what": {"reference": f"Patient/{fhir_id}"},
        "type": {"system": _ENTITY_TYPE, "code": "1", "display": "Person"},
        "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
    }

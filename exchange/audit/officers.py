"""AuditEvents of what officers do with the exchange itself: recalls, reports, holds, reading the log.

Types are those of DICOM PS3.16 (audit log used) and ISO 21089.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from exchange.audit.events import Entry
from exchange.audit.parts import recorded
from exchange.model.audit import OfficerAct
from exchange.model.errors import Conflict

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_LOG_USED = {"system": _DCM, "code": "110101", "display": "Audit Log Used"}
_TYPES = {
    "recall.opened": {"system": _LIFECYCLE, "code": "disclose"},
    "recall.closed": {"system": _LIFECYCLE, "code": "destroy"},
    "log.read": _LOG_USED,
    "log.exported": _LOG_USED,
    "log.pruned": {"system": _LIFECYCLE, "code": "destroy"},
    "hold.set": {"system": _LIFECYCLE, "code": "hold"},
    "hold.lifted": {"system": _LIFECYCLE, "code": "unhold"},
    "watch.decided": {"system": _LIFECYCLE, "code": "verify"},
    "emergency.reviewed": {"system": _LIFECYCLE, "code": "verify"},
    "late.decided": {"system": _LIFECYCLE, "code": "verify"},
    "consent.reviewed": {"system": _LIFECYCLE, "code": "verify"},
    "rules.signed": {"system": _LIFECYCLE, "code": "attest"},
    "workforce.declared": {"system": _LIFECYCLE, "code": "link"},
    "workforce.ended": {"system": _LIFECYCLE, "code": "unlink"},
    "accounting.suspended": {"system": _LIFECYCLE, "code": "hold"},
    "accounting.resumed": {"system": _LIFECYCLE, "code": "unhold"},
}

_ACTIONS = {"log.read": "R", "log.exported": "R", "log.pruned": "D"}


def decide_once(
    conn: psycopg.Connection, statement: str, arguments: Sequence[object], otherwise: str
) -> tuple[Any, ...]:
    """The row of an UPDATE that finds only what nobody decided yet; raises Conflict with `otherwise`."""
    row = conn.execute(statement, arguments).fetchone()
    if row is None:
        raise Conflict(otherwise)
    return row


def officer_entries(
    act: OfficerAct, officer: str, reason: str, patients: Sequence[str], at: datetime
) -> list[Entry]:
    """One record per Patient concerned, or one without; `reason` is the officer's own and names nobody."""
    event: dict[str, object] = {
        "resourceType": "AuditEvent",
        "type": _TYPES[act],
        "action": _ACTIONS.get(act, "U"),
        "recorded": recorded(at),
        "outcome": "0",
        **({"outcomeDesc": reason} if reason else {}),
        "agent": [{"who": {"display": officer}, "role": [{"text": "privacy officer"}], "requestor": True}],
        "source": {"observer": {"display": "Mosaic Exchange"}},
    }
    concerned: Sequence[str | None] = patients or [None]
    return [Entry(act, None, patient, _about(event, patient)) for patient in concerned]


def _about(event: dict[str, object], patient: str | None) -> dict[str, object]:
    if patient is None:
        return event
    entity = {
        "what": {"reference": f"Patient/{patient}"},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
        "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
    }
    return {**event, "entity": [entity]}

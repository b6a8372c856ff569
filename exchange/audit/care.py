"""AuditEvents of care relationships that participants state, and of emergencies.

Codes of emergencies are those of DICOM PS3.16 context group 401, as FHIR's audit-event-sub-type names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from exchange.audit.events import Disclosed, Entry, query_entries
from exchange.audit.parts import Circumstances, Requester

CareKind = Literal["care.stated", "care.ended", "care.emergency"]

_EMERGENCY = {
    "system": "http://dicom.nema.org/resources/ontology/DCM",
    "code": "110127",
    "display": "Emergency Override Started",
}
_ACTIONS = {"care.stated": "C", "care.ended": "D", "care.emergency": "E"}


def care_entries(
    kind: CareKind, who: Requester, how: Circumstances, request: str, patients: Sequence[str]
) -> list[Entry]:
    """One record for each Patient whose care was stated, by the id used; one without when there is none."""
    made = query_entries(who, how, request, [Disclosed(patient) for patient in patients], operation=True)
    return [
        Entry(
            kind,
            entry.participant,
            entry.patient,
            {**entry.event, "action": _ACTIONS[kind], **_sub(kind, entry)},
        )
        for entry in made
    ]


def _sub(kind: CareKind, entry: Entry) -> dict[str, object]:
    return {"subtype": [*entry.event["subtype"], _EMERGENCY]} if kind == "care.emergency" else {}

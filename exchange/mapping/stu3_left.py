"""What of an STU3 resource has no place in R4: it stays out, and its record says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exchange.mapping.stu3_more import objects

TYPES = {"ReferralRequest": "ServiceRequest", "ProcedureRequest": "ServiceRequest"}
"""Types that became part of another."""
DROPPED: Mapping[str, tuple[str, ...]] = {
    "Patient": ("animal",),
    "MedicationRequest": ("definition",),
    "Procedure": ("definition",),
    "CarePlan": ("definition",),
    "ServiceRequest": ("definition",),
    "Medication": ("isBrand", "isOverTheCounter", "package", "image"),
    "DocumentReference": ("created",),
    "Account": ("active", "balance"),
    "Communication": ("definition",),
    "Coverage": ("sequence",),
    "DeviceRequest": ("definition",),
    "FamilyMemberHistory": ("definition",),
    "Task": ("definitionReference",),
}
_MOVED = frozenset({"has-member", "derived-from"})
_WITHOUT_PRINCIPAL = {"MedicationDispense": "performer", "MedicationAdministration": "performer"}
"""Whose performers act on nobody's behalf any more."""


def left_out(parsed: Any) -> Iterator[str]:
    """The elements of a resource or Bundle, by the type they are sent in, each as often as it is sent."""
    if not isinstance(parsed, dict):
        return
    kind = str(parsed.get("resourceType"))
    for entry in objects(parsed.get("entry", [])) if kind == "Bundle" else ():
        yield from left_out(entry.get("resource"))
    for inner in objects(parsed.get("contained", [])):
        yield from left_out(inner)
    yield from (f"{kind}.{name}" for name in DROPPED.get(TYPES.get(kind, kind), ()) if name in parsed)
    yield from (f"{kind}.{path}" for path in _inside(kind, parsed))


def _inside(kind: str, resource: Mapping[str, Any]) -> Iterator[str]:
    if kind == "Observation":
        related = objects(resource.get("related", []))
        yield from ("related" for each in related if each.get("type") not in _MOVED or "target" not in each)
        if "valueAttachment" in resource:
            yield "valueAttachment"
    performers = objects(resource.get(_WITHOUT_PRINCIPAL.get(kind, ""), []))
    yield from ("performer.onBehalfOf" for each in performers if "onBehalfOf" in each)
    requester = resource.get("requester")
    if isinstance(requester, dict) and "agent" in requester and "onBehalfOf" in requester:
        yield "requester.onBehalfOf"
    explanation = resource.get("explanation") if kind == "Immunization" else None
    if isinstance(explanation, dict) and len(objects(explanation.get("reasonNotGiven", []))) > 1:
        yield "explanation.reasonNotGiven"

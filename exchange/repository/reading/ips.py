"""What an International Patient Summary holds: its sections as data, its Composition. Pure.

https://hl7.org/fhir/uv/ips/StructureDefinition-Composition-uv-ips.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from exchange.model.records import Resource

_LOINC = "http://loinc.org"
_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"
_AUTHOR = {"identifier": {"system": "urn:mosaic:partner", "value": "exchange"}, "display": "Mosaic Exchange"}
_UNKNOWN = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}
_NAMED_BY = ("code", "vaccineCode", "medicationCodeableConcept", "type")


@dataclass(frozen=True, slots=True)
class Section:
    """A section by its LOINC code; `searches` (type, parameters) find its entries."""

    title: str
    code: str
    searches: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    required: bool = False


_CREDIBLE = ("verification-status:not", "refuted,entered-in-error")
_TAKEN = (("status", "active,on-hold,unknown"), ("_sort", "-_lastUpdated"))
_DONE = (("status:not", "entered-in-error,not-done"), ("_sort", "-date"))
_RESULT = (("status:not", "entered-in-error,cancelled"), ("_sort", "-date"))

SECTIONS = (
    Section(
        "Problems",
        "11450-4",
        (("Condition", (("clinical-status:not", "inactive,remission,resolved"), _CREDIBLE)),),
        required=True,
    ),
    Section("Allergies and intolerances", "48765-2", (("AllergyIntolerance", (_CREDIBLE,)),), required=True),
    Section(
        "Medications",
        "10160-0",
        (("MedicationStatement", _TAKEN), ("MedicationRequest", _TAKEN)),
        required=True,
    ),
    Section("Immunizations", "11369-6", (("Immunization", _DONE),)),
    Section(
        "Results",
        "30954-2",
        (("Observation", (("category", "laboratory"), *_RESULT)), ("DiagnosticReport", _RESULT)),
    ),
    Section("History of procedures", "47519-4", (("Procedure", _DONE),)),
    Section("Medical devices", "46264-8", (("DeviceUseStatement", ()),)),
    Section(
        "Past problems",
        "11348-0",
        (("Condition", (("clinical-status", "inactive,remission,resolved"), _CREDIBLE)),),
    ),
    Section("Vital signs", "8716-3", (("Observation", (("category", "vital-signs"), *_RESULT)),)),
    Section("Social history", "29762-2", (("Observation", (("category", "social-history"), *_RESULT)),)),
    Section("Plan of care", "18776-5", (("CarePlan", (("status", "active"),)),)),
)


def with_reasons(patient: Resource) -> Resource:
    """The Patient of a summary: what IPS demands of him and nobody says is told to be unknown.

    >>> with_reasons({"resourceType": "Patient", "birthDate": "1980"})["name"][0].keys()
    dict_keys(['_text'])
    """
    missing: Resource = {}
    names = patient.get("name", [])
    if not any(name.get(part) for name in names for part in ("family", "given", "text")):
        missing["name"] = [*names, {"_text": _UNKNOWN}]
    if not patient.get("birthDate") and "_birthDate" not in patient:
        missing["_birthDate"] = _UNKNOWN
    return {**patient, **missing}


def composition(
    identifier: str, patient: str, date: str, found: Sequence[tuple[Section, Sequence[Resource]]]
) -> Resource:
    """The Composition of a summary; a section without entries says that nothing is available, never why."""
    return {
        "resourceType": "Composition",
        "id": identifier,
        "meta": {"profile": [_PROFILE]},
        "status": "final",
        "type": {"coding": [{"system": _LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "date": date,
        "author": [_AUTHOR],
        "title": "Patient summary",
        "custodian": _AUTHOR,
        "section": [_section(section, entries) for section, entries in found if entries or section.required],
    }


def _section(section: Section, entries: Sequence[Resource]) -> Resource:
    head: dict[str, Any] = {
        "title": section.title,
        "code": {"coding": [{"system": _LOINC, "code": section.code}]},
    }
    if not entries:
        reason = {"coding": [{"system": _EMPTY, "code": "unavailable"}]}
        return {**head, "text": _narrative(["No information available"]), "emptyReason": reason}
    references = [{"reference": f"{entry['resourceType']}/{entry['id']}"} for entry in entries]
    return {**head, "text": _narrative([_name(entry) for entry in entries]), "entry": references}


def _narrative(lines: Sequence[str]) -> dict[str, str]:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _name(resource: Resource) -> str:
    """The words, else the code, by which a record says what it is about.

    >>> _name({"resourceType": "Condition", "code": {"coding": [{"code": "7", "display": "Diabetes"}]}})
    'Diabetes'
    """
    for element in _NAMED_BY:
        concept = resource.get(element)
        if isinstance(concept, dict):
            codings = concept.get("coding", [])
            words = [
                concept.get("text"),
                *(c.get("display") for c in codings),
                *(c.get("code") for c in codings),
            ]
            found = next((word for word in words if word), None)
            if found:
                return str(found)
    return str(resource["resourceType"])

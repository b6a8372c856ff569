"""STU3 resources as R4: what was renamed, moved or reshaped between the two, and nothing else.

Follows the "R3 Diff" of each R4 resource page (https://hl7.org/fhir/R4/encounter.html#tabs-diff and so
on). What R4 has no place for stays out and is told (`stu3_left`); where the meaning itself changed
(Consent) the resource is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from exchange.mapping.stu3_left import DROPPED, TYPES
from exchange.mapping.stu3_more import MORE
from exchange.mapping.stu3_shapes import SHAPED
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

_RETYPED = re.compile(rf"^(.*?)\b({'|'.join(TYPES)})/")
_REFUSED = frozenset({"Consent", "Contract", "Sequence", "EligibilityRequest", "EligibilityResponse"})

_RENAMED: Mapping[str, Mapping[str, str]] = {
    "Encounter": {"reason": "reasonCode", "incomingReferral": "basedOn"},
    "Condition": {"context": "encounter", "assertedDate": "recordedDate"},
    "Observation": {"context": "encounter"},
    "AllergyIntolerance": {"assertedDate": "recordedDate"},
    "MedicationRequest": {"context": "encounter"},
    "MedicationDispense": {
        "notDoneReasonCodeableConcept": "statusReasonCodeableConcept",
        "notDoneReasonReference": "statusReasonReference",
    },
    "MedicationAdministration": {"reasonNotGiven": "statusReason", "prescription": "request"},
    "Immunization": {"date": "occurrenceDateTime"},
    "Procedure": {"context": "encounter", "notDoneReason": "statusReason"},
    "DiagnosticReport": {"context": "encounter", "codedDiagnosis": "conclusionCode"},
    "DocumentReference": {"class": "category"},
    "CarePlan": {"context": "encounter"},
    "CareTeam": {"context": "encounter"},
    "ServiceRequest": {
        "context": "encounter",
        "type": "code",
        "serviceRequested": "code",
        "groupIdentifier": "requisition",
    },
    "QuestionnaireResponse": {"context": "encounter", "parent": "partOf"},
    "RiskAssessment": {"context": "encounter", "reasonCodeableConcept": "reasonCode"},
    "ClinicalImpression": {"context": "encounter"},
    "Specimen": {"treatment": "processing"},
    "Appointment": {"reason": "reasonCode", "indication": "reasonReference", "incomingReferral": "basedOn"},
    "Task": {"context": "encounter", "reason": "reasonCode", "definitionUri": "instantiatesUri"},
    "Device": {"model": "modelNumber"},
    "DeviceRequest": {"context": "encounter"},
    "DetectedIssue": {"category": "code", "date": "identifiedDateTime"},
    "Communication": {"context": "encounter", "topic": "about", "notDoneReason": "statusReason"},
    "CommunicationRequest": {"context": "encounter", "topic": "about"},
    "FamilyMemberHistory": {"gender": "sex", "notDoneReason": "dataAbsentReason"},
    "HealthcareService": {"programName": "program"},
    "ImagingStudy": {
        "patient": "subject",
        "context": "encounter",
        "modalityList": "modality",
        "reason": "reasonCode",
    },
    "Media": {
        "context": "encounter",
        "subtype": "modality",
        "occurrenceDateTime": "createdDateTime",
        "occurrencePeriod": "createdPeriod",
    },
    "Provenance": {"period": "occurredPeriod"},
    "Account": {"period": "servicePeriod"},
}
_TO_LIST: Mapping[str, tuple[str, ...]] = {
    "Encounter": ("basedOn",),
    "Condition": ("stage",),
    "Observation": ("interpretation",),
    "MedicationRequest": ("category",),
    "DiagnosticReport": ("category",),
    "DocumentReference": ("category",),
    "Location": ("type",),
    "Goal": ("target",),
    "ServiceRequest": ("category",),
    "MedicationAdministration": ("statusReason",),
    "Flag": ("category",),
    "RelatedPerson": ("relationship",),
    "Account": ("subject",),
    "Appointment": ("serviceCategory",),
    "HealthcareService": ("category",),
    "ImagingStudy": ("reasonCode",),
    "RiskAssessment": ("reasonCode", "reasonReference"),
    "Schedule": ("serviceCategory",),
    "Slot": ("serviceCategory",),
}
_CONCEPTS: Mapping[str, Mapping[str, str]] = {
    "Condition": {"clinicalStatus": "condition-clinical", "verificationStatus": "condition-ver-status"},
    "AllergyIntolerance": {
        "clinicalStatus": "allergyintolerance-clinical",
        "verificationStatus": "allergyintolerance-verification",
    },
}
"""Codes that became CodeableConcepts, with their code system."""

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_MOVED_SYSTEM = re.compile(r"http://hl7\.org/fhir/(?:(v[23])/([A-Za-z0-9-]+)|([a-z][a-z-]+))$")
_MOVED_NAMES = """
    condition-category condition-clinical condition-ver-status observation-category
    allergyintolerance-clinical allergyintolerance-verification organization-type location-physical-type
    diagnosis-role discharge-disposition admit-source encounter-type data-absent-reason
    medication-statement-category medication-request-category goal-category goal-priority
    practitioner-role service-type service-category appointment-cancellation-reason
    contactentity-type claim-type ex-claimtype communication-category referencerange-meaning
    immunization-origin questionnaire-usage-mode care-plan-activity-category
"""
_MOVED = frozenset(_MOVED_NAMES.split())


def sent_as(kind: str, path: str) -> str:
    """The path of R4 as STU3 has it: what the source really says there.

    >>> sent_as("Condition", "encounter.reference"), sent_as("Condition", "code")
    ('context.reference', 'code')
    """
    first, dot, rest = path.partition(".")
    names = [old for old, new in _RENAMED.get(kind, {}).items() if new == first]
    return f"{' or '.join(names) or first}{dot}{rest}"


def speaks_stu3(resource: Resource) -> bool:
    """Whether a resource has an element that only STU3 has there, or as a code what R4 has as a concept.

    >>> speaks_stu3({"resourceType": "Condition", "clinicalStatus": "active"})
    True
    >>> speaks_stu3({"resourceType": "Encounter", "reasonCode": []})
    False
    """
    kind = str(resource.get("resourceType"))
    coded = any(isinstance(resource.get(name), str) for name in _CONCEPTS.get(kind, ()))
    return coded or kind in TYPES or not resource.keys().isdisjoint(_RENAMED.get(kind, ()))


def to_r4(parsed: Any) -> Any:
    """A resource or Bundle of STU3 as R4; raises RecordRejected for a type whose meaning changed."""
    if not isinstance(parsed, dict):
        return parsed
    if parsed.get("resourceType") == "Bundle":
        entries = [
            {**entry, "resource": to_r4(entry["resource"])} if "resource" in entry else entry
            for entry in parsed.get("entry") or []
            if isinstance(entry, dict)
        ]
        return {**parsed, "entry": entries}
    converted = _resource(parsed)
    if isinstance(converted.get("contained"), list):
        converted["contained"] = [
            to_r4(inner) if isinstance(inner, dict) and "resourceType" in inner else inner
            for inner in converted["contained"]
        ]
    return converted


def _resource(stu3: Resource) -> Resource:
    kind = str(stu3.get("resourceType"))
    if kind in _REFUSED:
        raise RecordRejected(
            f"a {kind} of STU3 has no counterpart of the same meaning in R4; send it as R4",
            code="not-supported", expression="resourceType",
        )  # fmt: skip
    kind = TYPES.get(kind, kind)
    renamed = _RENAMED.get(kind, {})
    out: Resource = {}
    for name, value in stu3.items():
        if name not in DROPPED.get(kind, ()):
            out.setdefault(renamed.get(name, name), _terms(value))
    out["resourceType"] = kind
    for name in _TO_LIST.get(kind, ()):
        if name in out and not isinstance(out[name], list):
            out[name] = [out[name]]
    for name, system in _CONCEPTS.get(kind, {}).items():
        if isinstance(out.get(name), str):
            out[name] = {"coding": [{"system": _TERMINOLOGY + system, "code": out[name]}]}
    reshape: Callable[[Resource], Resource] = SHAPED.get(kind) or MORE.get(kind, dict)
    return reshape(out)


def _terms(value: Any) -> Any:
    """Code systems and resource types under their later names."""
    if isinstance(value, dict):
        return {name: _term(name, item) for name, item in value.items()}
    return [_terms(item) for item in value] if isinstance(value, list) else value


def _term(name: str, value: Any) -> Any:
    if name == "system" and isinstance(value, str):
        return _system(value)
    if name == "reference" and isinstance(value, str):
        return _RETYPED.sub(lambda found: f"{found.group(1)}{TYPES[found.group(2)]}/", value)
    return _terms(value)


def _system(uri: str) -> str:
    """
    >>> _system("http://hl7.org/fhir/v2/0203"), _system("http://hl7.org/fhir/observation-category")
    ('http://terminology.hl7.org/CodeSystem/v2-0203', 'http://terminology.hl7.org/CodeSystem/observation-category')
    >>> _system("http://hl7.org/fhir/sid/us-npi")
    'http://hl7.org/fhir/sid/us-npi'
    """
    found = _MOVED_SYSTEM.fullmatch(uri)
    if found is None:
        return uri
    version, table, name = found.groups()
    if version:
        return f"{_TERMINOLOGY}{version}-{table}"
    return _TERMINOLOGY + name if name in _MOVED else uri

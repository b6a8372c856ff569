"""When a record is about, by its type: what `Consent.provision.dataPeriod` is compared with."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, Literal

from exchange.consent.dates import Span, read_date, read_period
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

Reading = Literal["clinical", "recorded"]
"""`clinical`: when it happened; `recorded`: when it was written or last updated, as IHE PCF reads it."""

_ONSET = ("onsetDateTime", "onsetPeriod", "onsetAge", "onsetRange", "onsetString")
"""An age or a word is no day, and hides that the record is about another one than that of its writing."""

_CLINICAL = {  # the first that is there; several names joined by `-` are the ends of one period
    "AdverseEvent": ("date", "detected"),
    "AllergyIntolerance": (*_ONSET, "recordedDate"),
    "Appointment": ("start-end",),
    "CarePlan": ("period", "created"),
    "CareTeam": ("period",),
    "Claim": ("billablePeriod", "created"),
    "ClinicalImpression": ("effectiveDateTime", "effectivePeriod", "date"),
    "Communication": ("sent", "received"),
    "Composition": ("date",),
    "Condition": (*_ONSET, "recordedDate"),
    "Coverage": ("period",),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod"),
    "DocumentReference": ("context.period", "date"),
    "Encounter": ("period",),
    "EpisodeOfCare": ("period",),
    "ExplanationOfBenefit": ("billablePeriod", "created"),
    "FamilyMemberHistory": ("date",),
    "Goal": ("startDate",),
    "ImagingStudy": ("started",),
    "Immunization": ("occurrenceDateTime",),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "QuestionnaireResponse": ("authored",),
    "RiskAssessment": ("occurrenceDateTime", "occurrencePeriod"),
    "ServiceRequest": ("authoredOn",),
    "Specimen": ("collection.collectedDateTime", "collection.collectedPeriod", "receivedTime"),
    "Task": ("authoredOn",),
}
_RECORDED = (
    "recordedDate",
    "issued",
    "authoredOn",
    "dateAsserted",
    "authored",
    "date",
    "created",
    "recorded",
)


def record_span(resource: Resource, zone: tzinfo, reading: Reading = "clinical") -> Span | None:
    """When the record is about, None when it does not say or cannot be read."""
    paths = _CLINICAL.get(resource.get("resourceType", ""), ())
    if reading == "recorded":
        paths = (*_RECORDED, "meta.lastUpdated")
    for path in paths:
        value = _period_of(resource, path) if "-" in path else _at(resource, path)
        if value:
            try:
                read = read_period if isinstance(value, dict) else read_date
                return read(value, zone, path)
            except RecordRejected:
                return None
    return None


def _period_of(resource: Resource, path: str) -> dict[str, Any]:
    ends = zip(("start", "end"), path.split("-"), strict=True)
    return {name: resource[element] for name, element in ends if element in resource}


def _at(resource: Resource, path: str) -> Any:
    value: Any = resource
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value

"""FHIR R4 shapes that the clinic's and the program's systems have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from exchange.synthetic import keys
from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import Allergy, History, Prescription, Problem, Result, Survey, Visit, Vitals
from exchange.synthetic.feeds.hl7 import ZONE
from exchange.synthetic.feeds.observation import ANSWERS, flag
from exchange.synthetic.tables import LOINC, NPI, RXNORM, SNOMED, UCUM, Code, Practitioner, practitioners

Resource = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


@dataclass(frozen=True, slots=True)
class Chart:
    """One person's record in one FHIR system, as it stands at the moment `now`."""

    history: History
    contact: Contact
    now: datetime

    @property
    def partner(self) -> str:
        return self.contact.partner

    def id(self, letter: str, number: int) -> str:
        return local_id(self.contact.key, letter, number)

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.contact.key}"}

    def encounter(self, visit: Visit) -> Resource:
        return {"reference": f"Encounter/{self.id('e', visit.number)}"}

    def status(self, removed: datetime | None) -> str | None:
        return "entered-in-error" if removed and removed <= self.now else None


def local_id(patient: str, letter: str, number: int) -> str:
    """The id of a resource about a patient: the patient's, a letter for the kind, a number."""
    return f"{patient}-{letter}{number}"


def instant(moment: datetime) -> str:
    """A local time as FHIR writes it."""
    return moment.replace(tzinfo=ZONE).isoformat()


def concept(*codes: Code) -> Resource:
    """A CodeableConcept; its text is the first display."""
    codings = [{"system": code.system, "code": code.code, "display": code.display} for code in codes]
    return {"coding": codings, "text": codes[0].display}


def coding(system: str, code: str) -> Resource:
    """A CodeableConcept of a terminology.hl7.org system, by the system's last name."""
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}


def resource(kind: str, local: str, updated: datetime, **elements: Any) -> Resource:
    """A resource without the elements that are None or empty."""
    meta = {"versionId": "1", "lastUpdated": instant(updated)}
    kept = {name: value for name, value in elements.items() if value not in (None, "", [], {})}
    return {"resourceType": kind, "id": local, "meta": meta, **kept}


def organization(partner: str, updated: datetime) -> Resource:
    """The partner itself."""
    return resource(
        "Organization",
        partner.replace("_", "-"),
        updated,
        identifier=[{"system": NPI, "value": keys.NPIS[partner]}],
        active=True,
        name=keys.NAMES[partner],
    )


def practitioner(who: Practitioner, updated: datetime) -> Resource:
    """A clinician with the NPI."""
    return resource(
        "Practitioner",
        f"prac-{who.number}",
        updated,
        identifier=[{"system": NPI, "value": who.npi}],
        active=True,
        name=[{"family": who.family, "given": [who.given], "prefix": ["Dr"]}],
    )


def staff(partner: str, updated: datetime) -> Iterator[Resource]:
    """The partner and the people who work there."""
    yield organization(partner, updated)
    for who in practitioners(partner):
        yield practitioner(who, updated)


def own_organization(partner: str) -> Resource:
    """Reference to the partner itself."""
    return {"reference": f"Organization/{partner.replace('_', '-')}", "display": keys.NAMES[partner]}


def clinician(who: Practitioner) -> Resource:
    """Reference to a practitioner of the same system."""
    return {"reference": f"Practitioner/prac-{who.number}", "display": f"Dr. {who.given} {who.family}"}


def encounter(chart: Chart, visit: Visit, kind: Code) -> Resource:
    """A finished ambulatory visit."""
    return resource(
        "Encounter",
        chart.id("e", visit.number),
        visit.end,
        status="finished",
        **{"class": {"system": f"{_TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": "ambulatory"}},
        type=[concept(kind)],
        subject=chart.subject,
        participant=[{"individual": clinician(visit.practitioner)}],
        period={"start": instant(visit.start), "end": instant(visit.end)},
        reasonCode=[concept(visit.disorder.icd10cm)] if visit.disorder else [],
        serviceProvider=own_organization(chart.partner),
    )


def condition(chart: Chart, problem: Problem) -> Resource:
    """A problem-list entry; a mistaken one stays as entered-in-error."""
    disorder, wrong = problem.disorder, chart.status(problem.removed)
    codes = [disorder.icd10cm] + ([disorder.snomed] if disorder.snomed and problem.number % 5 else [])
    updated = problem.removed if wrong and problem.removed else problem.recorded
    return resource(
        "Condition",
        chart.id("c", problem.number),
        updated,
        clinicalStatus=None if wrong else coding("condition-clinical", "active"),
        verificationStatus=coding("condition-ver-status", wrong or "confirmed"),
        category=[coding("condition-category", "problem-list-item")],
        code=concept(*codes),
        subject=chart.subject,
        onsetDateTime=problem.onset.isoformat(),
        recordedDate=problem.recorded.date().isoformat(),
    )


def medication_request(chart: Chart, drug: Prescription, who: Practitioner) -> Resource:
    """An order; its reason is the problem it is for."""
    return resource(
        "MedicationRequest",
        chart.id("m", drug.number),
        drug.when,
        status="active",
        intent="order",
        medicationCodeableConcept=concept(drug.drug),
        subject=chart.subject,
        authoredOn=instant(drug.when),
        requester=clinician(who),
        reasonReference=[{"reference": f"Condition/{chart.id('c', drug.reason.number)}"}],
        dosageInstruction=[{"text": drug.dosage}],
    )


def allergy(chart: Chart, found: Allergy) -> Resource:
    """An active, confirmed allergy."""
    row = found.row
    system = RXNORM if row["system"] == "rxnorm" else SNOMED
    severe = row["reaction_display"] == "Anaphylaxis"
    return resource(
        "AllergyIntolerance",
        chart.id("a", found.number),
        day_start(max(found.noticed, chart.contact.since)),
        clinicalStatus=coding("allergyintolerance-clinical", "active"),
        verificationStatus=coding("allergyintolerance-verification", "confirmed"),
        type="allergy",
        category=["medication" if row["type"] == "DA" else "food"],
        criticality="high" if severe else "low",
        code=concept(Code(system, row["code"], row["display"])),
        patient=chart.subject,
        onsetDateTime=found.noticed.isoformat(),
        reaction=[{"manifestation": [concept(Code(SNOMED, row["reaction"], row["reaction_display"]))]}],
    )


def _observation(chart: Chart, number: int, when: datetime, visit: Visit, **elements: Any) -> Resource:
    """The frame that all observations share."""
    return resource(
        "Observation",
        chart.id("v", number),
        elements.pop("updated", when),
        status=elements.pop("status", "final"),
        category=[coding("observation-category", elements.pop("category"))],
        code=elements.pop("code"),
        subject=chart.subject,
        encounter=chart.encounter(visit),
        effectiveDateTime=instant(when),
        performer=[own_organization(chart.partner)],
        **elements,
    )


def result(chart: Chart, found: Result) -> Resource:
    """A laboratory observation: final, corrected or entered in error."""
    wrong = chart.status(found.removed)
    corrected = found.corrected if found.corrected and found.corrected <= chart.now else None
    updated = found.removed if wrong and found.removed else corrected or found.when
    return _observation(
        chart,
        found.number,
        found.when,
        found.visit,
        updated=updated,
        status=wrong or ("corrected" if corrected else "final"),
        category="laboratory",
        code=concept(found.analyte.code),
        **_result_value(found, found.at(chart.now)),
    )


def _result_value(found: Result, value: str) -> Resource:
    test = found.analyte
    if not test.unit:
        return {"valueCodeableConcept": concept(ANSWERS[value])}
    limits = {"low": quantity(test.low, test.unit), "high": quantity(test.high, test.unit)}
    return {
        "valueQuantity": quantity(float(value), test.unit),
        "interpretation": [coding("v3-ObservationInterpretation", flag(found, value))],
        "referenceRange": [limits],
    }


def quantity(value: float, unit: str) -> Resource:
    """A Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def survey(chart: Chart, found: Survey) -> Resource:
    """A score, or smoking status."""
    smoking = isinstance(found.value, Code)
    value = (
        {"valueCodeableConcept": concept(found.value)}
        if isinstance(found.value, Code)
        else {"valueQuantity": quantity(found.value, "{score}")}
    )
    category = "social-history" if smoking else "survey"
    code = concept(found.code)
    return _observation(chart, found.number, found.when, found.visit, category=category, code=code, **value)


def vital_signs(chart: Chart, found: Vitals) -> Iterator[Resource]:
    """Blood pressure and weight; the height once a year would be too often."""
    pressure = Code(LOINC, "85354-9", "Blood pressure panel with all children optional")
    parts = [
        (Code(LOINC, "8480-6", "Systolic blood pressure"), found.systolic),
        (Code(LOINC, "8462-4", "Diastolic blood pressure"), found.diastolic),
    ]
    components = [
        {"code": concept(code), "valueQuantity": quantity(value, "mm[Hg]")} for code, value in parts
    ]
    frame: dict[str, Any] = {"category": "vital-signs"}
    yield _observation(
        chart, found.number, found.when, found.visit, **frame, code=concept(pressure), component=components
    )
    weight = concept(Code(LOINC, "29463-7", "Body weight"))
    body = _observation(
        chart,
        found.number,
        found.when,
        found.visit,
        **frame,
        code=weight,
        valueQuantity=quantity(found.weight, "kg"),
    )
    yield body | {"id": f"{body['id']}w"}


def day_start(day: date) -> datetime:
    """Nine in the morning."""
    return datetime.combine(day, datetime.min.time().replace(hour=9))

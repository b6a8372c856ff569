"""prairie_clinic: FHIR R4 resources of an ambulatory record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from exchange.synthetic.facts import Dose, History, Visit
from exchange.synthetic.feeds import fhir
from exchange.synthetic.feeds.consents import consent
from exchange.synthetic.feeds.fhir_patient import patient
from exchange.synthetic.keys import namespace
from exchange.synthetic.tables import CVX, SNOMED, Code, Practitioner, practitioners

PARTNER = "prairie_clinic"
TYPES = (
    "Organization",
    "Practitioner",
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "AllergyIntolerance",
    "Immunization",
    "Consent",
)
_CHECK_UP = Code(SNOMED, "185349003", "Encounter for check up (procedure)")
_FOLLOW_UP = Code(SNOMED, "390906007", "Follow-up encounter (procedure)")


def resources(history: History, now: datetime) -> Iterator[fhir.Resource]:
    """Everything the clinic holds about a person at the moment `now`."""
    contact = history.contact(PARTNER)
    if not contact:
        return
    chart = fhir.Chart(history, contact, now)
    yield patient(chart, f"{namespace(PARTNER)}mrn")
    yield from _clinical(chart)
    for directive in history.directives:
        if directive.custodian == PARTNER and (found := consent(chart, directive)):
            yield found


def _clinical(chart: fhir.Chart) -> Iterator[fhir.Resource]:
    care, now = chart.history.care, chart.now
    visits = [visit for visit in care.visits if visit.partner == PARTNER and visit.start <= now]
    for index, visit in enumerate(visits):
        yield fhir.encounter(chart, visit, _FOLLOW_UP if index else _CHECK_UP)
    for problem in care.problems:
        if PARTNER in problem.by and problem.recorded <= now:
            yield fhir.condition(chart, problem)
    for drug in care.prescriptions:
        if PARTNER in drug.by and drug.when <= now:
            yield fhir.medication_request(chart, drug, _prescriber(visits))
    for allergy in care.allergies:
        if PARTNER in allergy.by:
            yield fhir.allergy(chart, allergy)
    for dose in care.doses:
        if PARTNER in dose.by and dose.when <= now.date():
            yield _immunization(chart, dose)
    yield from _observations(chart)


def _prescriber(visits: list[Visit]) -> Practitioner:
    return visits[0].practitioner if visits else practitioners(PARTNER)[0]


def _observations(chart: fhir.Chart) -> Iterator[fhir.Resource]:
    care, now = chart.history.care, chart.now
    for vitals in care.vitals:
        if vitals.partner == PARTNER and vitals.when <= now:
            yield from fhir.vital_signs(chart, vitals)
    for result in care.results:
        if result.visit.partner == PARTNER and result.when <= now:
            yield fhir.result(chart, result)
    for survey in care.surveys:
        if survey.partner == PARTNER and survey.when <= now:
            yield fhir.survey(chart, survey)


def _immunization(chart: fhir.Chart, dose: Dose) -> fhir.Resource:
    wrong = chart.status(dose.removed)
    given = fhir.day_start(dose.when)
    return fhir.resource(
        "Immunization",
        chart.id("i", dose.number),
        dose.removed if wrong and dose.removed else given,
        status=wrong or "completed",
        vaccineCode=fhir.concept(Code(CVX, dose.row["cvx"], dose.row["display"])),
        patient=chart.subject,
        occurrenceDateTime=dose.when.isoformat(),
        primarySource=True,
        lotNumber=dose.lot,
    )

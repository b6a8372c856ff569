"""harbor_recovery: FHIR R4 resources of a substance-use program (42 CFR Part 2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from exchange.synthetic.facts import History, Result, Treatment
from exchange.synthetic.feeds import fhir
from exchange.synthetic.feeds.consents import consent
from exchange.synthetic.feeds.fhir_patient import patient
from exchange.synthetic.keys import namespace
from exchange.synthetic.tables import SNOMED, Code, practitioners

PARTNER = "harbor_recovery"
TYPES = (
    "Organization",
    "Practitioner",
    "Patient",
    "Encounter",
    "Condition",
    "MedicationRequest",
    "Observation",
    "Procedure",
    "Consent",
)
_SESSION = Code(SNOMED, "56876005", "Drug rehabilitation and detoxification")


def resources(history: History, now: datetime) -> Iterator[fhir.Resource]:
    """Everything the program holds about a client at the moment `now`; deleted results are gone."""
    contact = history.contact(PARTNER)
    if not contact:
        return
    chart, care = fhir.Chart(history, contact, now), history.care
    yield patient(chart, f"{namespace(PARTNER)}client")
    for visit in care.visits:
        if visit.partner == PARTNER and visit.start <= now:
            yield fhir.encounter(chart, visit, _SESSION)
    for problem in care.problems:
        if PARTNER in problem.by:
            yield fhir.condition(chart, problem)
    for drug in care.prescriptions:
        if PARTNER in drug.by:
            yield fhir.medication_request(chart, drug, practitioners(PARTNER)[0])
    yield from _sessions(chart)
    for directive in history.directives:
        if directive.custodian == PARTNER and (found := consent(chart, directive)):
            yield found


def deleted(result: Result, now: datetime) -> bool:
    """The program deletes a mistaken result instead of marking it."""
    return result.removed is not None and result.removed <= now


def _sessions(chart: fhir.Chart) -> Iterator[fhir.Resource]:
    care, now = chart.history.care, chart.now
    for result in care.results:
        if result.visit.partner == PARTNER and result.when <= now and not deleted(result, now):
            yield fhir.result(chart, result)
    for survey in care.surveys:
        if survey.partner == PARTNER and survey.when <= now:
            yield fhir.survey(chart, survey)
    for treatment in care.treatments:
        if treatment.when <= now:
            yield _procedure(chart, treatment)


def _procedure(chart: fhir.Chart, found: Treatment) -> fhir.Resource:
    return fhir.resource(
        "Procedure",
        chart.id("p", found.number),
        found.when,
        status="completed",
        code=fhir.concept(found.code),
        subject=chart.subject,
        encounter=chart.encounter(found.visit),
        performedDateTime=fhir.instant(found.when),
        performer=[{"actor": fhir.clinician(found.visit.practitioner)}],
    )

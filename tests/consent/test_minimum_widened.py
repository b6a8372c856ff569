"""What no profile of the minimum necessary may leave, written without a look at `elements.yaml`.

An element or a whole type that was added there by mistake shows nowhere else: the records just say more.
"""

import pytest

from exchange.consent import is_left, minimum_for
from exchange.model.fhir_types import type_names
from tests.consent.builders import viewer

ASKING = {
    "payer pays": ("prairie_plan", "HPAYMT"),
    "payer coordinates": ("prairie_plan", "CAREMGT"),
    "hospital measures": ("lakeside_hospital", "HQUALIMP"),
    "shelter": ("north_shelter", "COC"),
    "housing": ("hearth_housing", "COC"),
    "food": ("good_table", "COC"),
    "health department": ("county_health", "PUBHLTH"),
}
WHOLE = {
    "payer pays": {"Coverage", "Claim", "ExplanationOfBenefit"},
    "payer coordinates": {"Task", "Consent"},
    "hospital measures": {"Task", "Consent"},
    "shelter": {"Task", "Consent"},
    "housing": {"Task", "Consent"},
    "food": {"Task", "Consent"},
    "health department": {"Immunization", "Observation", "DiagnosticReport", "Specimen", "Condition"},
}
WORDS = ("text", "note", "photo", "conclusion", "conclusionCode", "presentedForm", "content", "comment")
RESULTS = ("valueQuantity", "valueString", "valueCodeableConcept", "component", "interpretation", "result")
NEVER = {
    "payer pays": {
        **dict.fromkeys(("Observation", "DiagnosticReport"), RESULTS),
        "Patient": ("contact", "maritalStatus", "communication"),
        "Condition": ("evidence", "stage", "onsetDateTime"),
        "MedicationRequest": ("dosageInstruction", "reasonCode"),
        "CarePlan": ("activity", "goal", "addresses"),
        "DocumentReference": ("content", "description"),
    },
    "payer coordinates": {
        "Patient": ("contact", "maritalStatus"),
        "DocumentReference": ("content", "description"),
    },
    "hospital measures": {
        "Patient": ("contact", "maritalStatus"),
        "DocumentReference": ("content", "description"),
    },
    "shelter": {
        "Patient": ("contact", "maritalStatus"),
        "MedicationRequest": ("medicationCodeableConcept", "dosageInstruction", "reasonCode"),
        "DiagnosticReport": RESULTS,
        "Procedure": ("performedDateTime", "reasonCode", "outcome"),
        "Encounter": ("reasonCode", "diagnosis", "participant"),
    },
    "food": {
        "Patient": ("birthDate", "gender", "contact", "maritalStatus"),
        "Condition": ("code", "category", "onsetDateTime"),
        "Observation": ("code", *RESULTS),
        "Encounter": ("type", "reasonCode", "diagnosis", "serviceProvider"),
        "MedicationRequest": ("medicationCodeableConcept", "reasonCode"),
        "ServiceRequest": ("reasonCode", "reasonReference"),
    },
    "health department": {
        "Patient": ("maritalStatus", "generalPractitioner"),
        "MedicationRequest": ("dosageInstruction", "reasonCode"),
        "CarePlan": ("activity", "goal"),
        "Encounter": ("reasonCode", "location"),
    },
}
NEVER["housing"] = NEVER["shelter"]


@pytest.fixture
def left(context):
    return lambda who: minimum_for(viewer(*ASKING[who]), context)


@pytest.mark.parametrize("who", ASKING)
def test_words_about_a_person_are_left_to_nobody_but_in_what_he_gets_whole(left, who):
    told = {
        kind
        for kind in type_names("resource")
        for element in WORDS
        if is_left(kind, element, left(who)) and kind not in WHOLE[who]
    }
    assert told == set()


@pytest.mark.parametrize("who", ASKING)
def test_only_these_are_left_whole(left, who):
    assert {kind for kind, names in left(who).items() if names is None} == WHOLE[who]


@pytest.mark.parametrize("who", NEVER)
def test_what_a_purpose_does_not_need_is_not_left(left, who):
    found = [
        (kind, one) for kind, names in NEVER[who].items() for one in names if is_left(kind, one, left(who))
    ]
    assert found == []

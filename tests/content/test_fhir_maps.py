"""FHIR from partners: what US Core needs and the partner does not say is marked as not said."""

import pytest

from tests.content.mapping import codes, errors, mapped, the

PATIENT = {"reference": "Patient/p"}
CODE = {"text": "x"}
UNKNOWN = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}


def uplifted(kind: str, **elements):
    found = mapped("prairie_clinic", "resources", {"resourceType": kind, "id": "1", **elements})
    assert errors(found) == []
    return the(found, kind)


PULSE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
ORDER = {"status": "active", "intent": "order", "medicationCodeableConcept": CODE, "subject": PATIENT}
SUPPLY = {"status": "completed", "medicationCodeableConcept": CODE, "subject": PATIENT}
SILENT = [
    ("Observation", {"status": "final", "code": PULSE, "subject": PATIENT}, "_effectiveDateTime"),
    ("Procedure", {"status": "completed", "code": CODE, "subject": PATIENT}, "_performedDateTime"),
    ("MedicationRequest", ORDER, "requester"),
    ("MedicationDispense", SUPPLY, "_whenHandedOver"),
    ("AllergyIntolerance", {"code": CODE, "patient": PATIENT}, "clinicalStatus"),
    ("Organization", {"name": "Lab"}, "_active"),
    ("RelatedPerson", {"patient": PATIENT}, "_active"),
]


@pytest.mark.parametrize(("kind", "elements", "element"), SILENT)
def test_what_must_be_and_is_not_said_has_a_data_absent_reason(kind, elements, element):
    assert uplifted(kind, **elements)[element] == UNKNOWN


def test_a_laboratory_report_without_times_says_so():
    category = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}
    report = uplifted("DiagnosticReport", status="final", code=CODE, subject=PATIENT, category=[category])
    assert (report["_effectiveDateTime"], report["_issued"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("active", [True, False])
def test_what_is_said_is_never_marked_as_absent(active):
    organization = uplifted("Organization", name="Lab", active=active)
    assert organization["active"] is active
    assert "_active" not in organization


@pytest.mark.parametrize("value", [{"valueBoolean": False}, {"valueInteger": 0}, {"valueString": "no"}])
def test_a_value_that_is_zero_or_false_is_a_value(value):
    assert "dataAbsentReason" not in uplifted("Observation", status="final", code=CODE, **value)


def test_an_observation_without_any_value_says_why():
    observation = uplifted("Observation", status="final", code=CODE, subject=PATIENT)
    assert codes(observation["dataAbsentReason"]) == ["unknown"]


@pytest.mark.parametrize(
    ("code", "category"), [("8867-4", "vital-signs"), ("72166-2", "social-history"), ("2345-7", None)]
)
def test_a_category_that_follows_from_the_code_is_added_to_those_sent(code, category):
    sent = {"coding": [{"system": "urn:own", "code": "mine"}]}
    observation = uplifted(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": code}]},
        category=[sent],
        valueString="x",
        effectiveDateTime="2026-01-01",
        subject=PATIENT,
    )
    added = [codes(item)[0] for item in observation["category"]]
    assert added == ["mine", category] if category else added == ["mine"]


def test_a_condition_of_another_category_is_a_problem_too():
    sent = {"coding": [{"system": "urn:own", "code": "mine"}]}
    condition = uplifted("Condition", code=CODE, subject=PATIENT, category=[sent])
    assert [codes(item)[0] for item in condition["category"]] == ["mine", "problem-list-item"]


def test_a_diagnosis_of_a_visit_is_not_made_a_problem():
    system = "http://terminology.hl7.org/CodeSystem/condition-category"
    sent = {"coding": [{"system": system, "code": "encounter-diagnosis"}]}
    assert uplifted("Condition", code=CODE, subject=PATIENT, category=[sent])["category"] == [sent]


def test_a_plan_gets_its_category_and_a_narrative_of_its_own_words():
    plan = uplifted("CarePlan", status="active", intent="plan", subject=PATIENT, title="Walk & rest")
    assert plan["text"]["div"].endswith(">Walk &amp; rest</div>")
    assert codes(plan["category"][0]) == ["assess-plan"]


@pytest.mark.parametrize(
    ("category", "code", "profile"),
    [
        ("imaging", "80946-7", "us-core-observation-clinical-result"),
        ("procedure", "8601-7", "us-core-observation-clinical-result"),
        ("disability-status", "94023-9", "us-core-simple-observation"),
        ("social-history", "82810-3", "us-core-observation-pregnancystatus"),
        ("social-history", "11341-5", "us-core-observation-occupation"),
        ("social-history", "76690-7", "us-core-observation-sexual-orientation"),
        ("social-history", "10160-0", None),
    ],
)
def test_an_observation_claims_the_profile_of_its_category_or_code(category, code, profile):
    observation = uplifted(
        "Observation", status="final", subject=PATIENT, effectiveDateTime="2026-01-02",
        valueCodeableConcept=CODE, code={"coding": [{"system": "http://loinc.org", "code": code}]},
        category=[{"coding": [{"code": category}]}],
    )  # fmt: skip
    claimed = [each.rpartition("/")[2] for each in observation["meta"].get("profile", [])]
    assert claimed == ([profile] if profile else [])

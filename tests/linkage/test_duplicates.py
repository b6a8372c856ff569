"""The same fact from two partners has one key; facts that differ in anything that matters do not."""

import pytest

from exchange.linkage import duplicate_key, parse_duplicates, trust_rank
from exchange.model.errors import ContentError
from exchange.model.partner import Partner

LOINC, SNOMED, ICD10 = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM, CVX = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/cvx"


@pytest.fixture(scope="module")
def rules(files):
    return parse_duplicates(files)


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def glucose(value=98, unit="mg/dL", when="2026-03-01T09:30:00-06:00", **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": concept(LOINC, "2345-7"),
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "code": unit},
        **more,
    }


def test_one_result_in_two_time_zones_is_one_fact(rules):
    assert duplicate_key(glucose(98.0), rules) == duplicate_key(
        glucose(98, when="2026-03-01T15:30:12Z"), rules
    )


@pytest.mark.parametrize(
    "other",
    [
        glucose(99),
        glucose(unit="mmol/L"),
        glucose(when="2026-03-01T09:31:00-06:00"),
        glucose(code=concept(LOINC, "2160-0")),
    ],
)
def test_another_value_unit_time_or_code_is_another_fact(rules, other):
    assert duplicate_key(glucose(), rules) != duplicate_key(other, rules)


def test_the_person_the_partner_and_the_id_are_no_part_of_the_fact(rules):
    other = glucose(id="x", subject={"reference": "Patient/1"}, meta={"source": "urn:mosaic:partner:x"})

    assert duplicate_key(glucose(), rules) == duplicate_key(other, rules)


@pytest.mark.parametrize("missing", ["valueQuantity", "effectiveDateTime", "code"])
def test_a_result_that_lacks_a_part_of_the_fact_is_never_a_duplicate(rules, missing):
    result = {name: value for name, value in glucose().items() if name != missing}

    assert duplicate_key(result, rules) is None


def test_what_was_entered_in_error_hides_nothing(rules):
    assert duplicate_key(glucose(status="entered-in-error"), rules) is None


def condition(system, code, **more):
    return {"resourceType": "Condition", "code": concept(system, code), "onsetDateTime": "2019-05-01", **more}


def test_one_problem_in_icd10_and_snomed_is_one_fact(rules):
    assert duplicate_key(condition(ICD10, "I10"), rules) == duplicate_key(
        condition(SNOMED, "59621000"), rules
    )


def test_a_problem_that_was_refuted_stands_for_itself(rules):
    assert duplicate_key(condition(ICD10, "I10", verificationStatus=concept("x", "refuted")), rules) is None


def test_one_ingredient_on_one_day_is_one_prescription(rules):
    def prescription(code):
        medication = {"medicationCodeableConcept": concept(RXNORM, code), "intent": "order"}
        return {"resourceType": "MedicationRequest", "authoredOn": "2026-02-03", **medication}

    assert duplicate_key(prescription("314076"), rules) == duplicate_key(prescription("29046"), rules)


def test_a_vaccine_not_given_is_not_the_vaccine_given(rules):
    def dose(status):
        vaccine = {"vaccineCode": concept(CVX, "140"), "occurrenceDateTime": "2026-10-01"}
        return {"resourceType": "Immunization", "status": status, **vaccine}

    assert duplicate_key(dose("completed"), rules) != duplicate_key(dose("not-done"), rules)


def test_a_stay_told_by_two_parties_is_one_by_the_minutes_of_its_period(rules):
    def stay(start, end):
        return {"resourceType": "Encounter", "period": {"start": start, "end": end}}

    told = stay("2026-01-02T10:00:00Z", "2026-01-04T10:00:00Z")
    again = stay("2026-01-02T04:00:00-06:00", "2026-01-04T04:00:00-06:00")

    assert duplicate_key(told, rules) == duplicate_key(again, rules) is not None
    assert duplicate_key(stay("2026-01-02", "2026-01-02"), rules) is None


def test_practitioners_meet_by_national_identifier(rules):
    def practitioner(system):
        return {"resourceType": "Practitioner", "identifier": [{"system": system, "value": "1999999000"}]}

    assert duplicate_key(practitioner("http://hl7.org/fhir/sid/us-npi"), rules) is not None
    assert duplicate_key(practitioner("https://clinic.example/staff"), rules) is None


def partner(kind):
    return Partner.model_validate(
        {
            "code": "x",
            "namespace": "https://x.example/",
            "organization": {"name": "X", "type": kind},
            "agreement": {"type": "participation", "signed": "2026-01-01"},
        }
    )


def test_the_kind_of_organization_decides_before_the_status(rules):
    best, other = partner("public-health"), partner("food")

    assert trust_rank(glucose(status="preliminary"), best, rules) < trust_rank(glucose(), other, rules)
    assert trust_rank(glucose(), best, rules) < trust_rank(glucose(status="preliminary"), best, rules)


def test_a_reading_that_does_not_exist_is_refused_with_those_that_do(files):
    path = "_shared/identity/duplicates.yaml"
    broken = {**files, path: files[path].replace("value value", "valu value")}

    with pytest.raises(ContentError, match="valid here: begin, code, day"):
        parse_duplicates(broken)

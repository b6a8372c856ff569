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

    with pytest.raises(ContentError, match="valid here: asked, begin, code"):
        parse_duplicates(broken)


def drug(text, **more):
    medication = {"coding": concept(RXNORM, "29046")["coding"], "text": text}
    return {
        "resourceType": "MedicationRequest",
        "intent": "order",
        "medicationCodeableConcept": medication,
        **more,
    }


def test_an_order_meets_its_copy_that_tells_only_from_when_on_it_is_taken(rules):
    dosage = [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-02-03T08:00:00-06:00"}}}}]
    written, taken = drug("lisinopril 10 MG", authoredOn="2026-02-03"), drug("Lisinopril 10 mg")

    assert (
        duplicate_key(written, rules)
        == duplicate_key({**taken, "dosageInstruction": dosage}, rules)
        is not None
    )


def test_two_strengths_of_one_ingredient_are_two_prescriptions(rules):
    first, second = (drug(f"lisinopril {mg} MG", authoredOn="2026-02-03") for mg in (10, 20))
    assert duplicate_key(first, rules) != duplicate_key(second, rules)


def test_what_a_patient_tells_is_not_what_was_measured(rules):
    told = glucose(performer=[{"reference": "Patient/1"}])
    assert duplicate_key(told, rules) != duplicate_key(glucose(), rules)
    assert duplicate_key(glucose(performer=[{"reference": "Practitioner/1"}]), rules) == duplicate_key(
        glucose(), rules
    )


def test_an_allergy_that_is_over_does_not_hide_one_that_is_not(rules):
    def allergy(code, **more):
        return {"resourceType": "AllergyIntolerance", "code": concept(SNOMED, code), **more}

    over = allergy("91936005", clinicalStatus=concept("x", "resolved"))
    current = allergy("91936005", clinicalStatus=concept("x", "active"))
    assert len({duplicate_key(a, rules) for a in (over, current, allergy("716186003"))}) == 3
    assert duplicate_key(allergy("91936005"), rules) == duplicate_key(current, rules)


def test_documents_meet_by_an_identifier_that_is_one_everywhere_and_versions_do_not(rules):
    def document(value, system="urn:ietf:rfc:3986", **more):
        master = {"system": system, "value": value}
        return {"resourceType": "DocumentReference", "masterIdentifier": master, **more}

    first, second = document("urn:oid:1.2.3"), document("urn:oid:1.2.4")
    assert duplicate_key(first, rules) == duplicate_key(document("urn:oid:1.2.3", status="current"), rules)
    assert duplicate_key(first, rules) != duplicate_key(second, rules)
    assert duplicate_key(document("17", "https://clinic.example/doc"), rules) is None


@pytest.mark.parametrize("kind", ["Organization", "Location"])
def test_places_meet_by_name_and_address_written_in_two_ways(rules, kind):
    def place(line, name="Prairie Clinic", code="62701"):
        address = {"line": [line], "postalCode": code}
        return {
            "resourceType": kind,
            "name": name,
            "address": [address] if kind == "Organization" else address,
        }

    one, other = place("1200 North Main Street"), place("1200 N. Main St.", "PRAIRIE CLINIC", "62701-1234")
    assert duplicate_key(one, rules) == duplicate_key(other, rules) is not None
    assert duplicate_key(one, rules) != duplicate_key(place("1202 North Main Street"), rules)
    assert duplicate_key({"resourceType": kind, "name": "Prairie Clinic"}, rules) is None

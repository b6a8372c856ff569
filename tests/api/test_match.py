"""Patient/$match: graded answers from what the requester may see, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exchange.api.matching import GRADE, QUALITY, input_weight
from exchange.model.ids import golden_id, resource_id
from exchange.repository import IncomingPatient, link_patients

RUTH = {
    "name": [{"given": ["Ruth"], "family": "Harding"}],
    "birthDate": "1984-02-09",
    "gender": "female",
    "telecom": [{"system": "phone", "value": "217-555-0147"}],
    "address": [{"line": ["12 Oak Street"], "postalCode": "62701"}],
}
TWIN = {**RUTH, "name": [{"given": ["Samuel"], "family": "Harding"}], "gender": "male"}
MRN = {"identifier": [{"system": "https://hospital.example/mrn", "value": "77"}]}
LEVEL_0 = "http://hl7.org/fhir/us/identity-matching/StructureDefinition/IDI-Patient-L0"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def enter(records, identity):
    """A Patient of a partner, linked and published as a run does; returns its id."""

    def send(partner, key, *labels, **patient):
        fhir_id = resource_id(f"https://{partner}.example/", "Patient", key)
        body = {"resourceType": "Patient", "id": fhir_id, **patient}
        incoming = IncomingPatient(fhir_id, partner, identity.features(body))
        link_patients(records.conn, [incoming], [], identity.model, datetime(2026, 11, 20, tzinfo=UTC))
        return records._publish(partner, body, fhir_id, labels)

    return send


@pytest.fixture
def match(api, token_of):
    def ask(software, patient, status=200, **options):
        kinds = {"onlyCertainMatches": "valueBoolean", "count": "valueInteger"}
        asked = [{"name": name, kinds.get(name, "valueString"): value} for name, value in options.items()]
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": {"resourceType": "Patient", **patient}}, *asked],
        }
        answer = send(api, token_of(software), body)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def send(api, token, body, media="application/fhir+json", query=""):
    headers = {"authorization": f"Bearer {token}", "content-type": media}
    return api.post(f"/fhir/Patient/$match{query}", json=body, headers=headers)


def graded(bundle):
    """(id, grade) in order."""
    return [
        (entry["resource"]["id"], entry["search"]["extension"][0]["valueCode"])
        for entry in bundle.get("entry", ())
        if entry["search"]["mode"] == "match"
    ]


def test_the_person_described_comes_first_with_score_grade_and_published_quality(match, hospital, enter):
    ruth, twin = enter("prairie_clinic", "1", **RUTH), enter("prairie_clinic", "2", **TWIN)
    bundle = match(hospital, RUTH)

    assert graded(bundle) == [(golden_id(ruth), "certain")]
    search = bundle["entry"][0]["search"]
    assert [part["url"] for part in search["extension"]] == [GRADE, QUALITY]
    assert search["extension"][1]["valueCode"] == "superior"
    assert 0.9999 <= search["score"] <= 1
    assert (bundle["type"], bundle["total"]) == ("searchset", 1)
    assert golden_id(twin) not in str(bundle)


def test_several_records_of_one_person_are_one_answer(match, hospital, enter):
    ids = [enter("prairie_clinic", "1", **RUTH), enter("lakeside_hospital", "1", **RUTH)]
    assert graded(match(hospital, RUTH)) == [(golden_id(min(ids)), "certain")]


def test_what_may_be_but_need_not_is_possible_and_left_out_where_certainty_is_asked(match, hospital, enter):
    ruth = enter("prairie_clinic", "1", **RUTH)
    vague = {**RUTH, "name": [{"given": ["R"], "family": "Harding"}]}
    del vague["gender"]
    assert graded(match(hospital, vague)) == [(golden_id(ruth), "possible")]
    assert graded(match(hospital, vague, onlyCertainMatches=True)) == []
    assert graded(match(hospital, RUTH, onlyCertainMatches=True)) == [(golden_id(ruth), "certain")]


def test_where_certainty_is_asked_two_candidates_are_none_and_count_bounds_the_others(match, hospital, enter):
    one = enter("prairie_clinic", "1", **RUTH, multipleBirthInteger=1)
    two = enter("prairie_clinic", "2", **RUTH, multipleBirthInteger=2)
    bundle = match(hospital, RUTH, count=1)
    assert {found for found, _ in graded(match(hospital, RUTH))} == {golden_id(one), golden_id(two)}
    assert (len(graded(bundle)), bundle["total"]) == (1, 2)
    assert graded(match(hospital, RUTH, onlyCertainMatches=True)) == []


def test_a_number_of_its_assigner_finds_its_record(match, hospital, enter):
    ruth = enter("prairie_clinic", "1", **RUTH, **MRN)
    assert graded(match(hospital, MRN)) == [(golden_id(ruth), "certain")]


@pytest.mark.parametrize("only", [False, True])
def test_records_that_may_not_be_seen_change_no_byte(api, token_of, match, hospital, enter, only):
    """A better match, a second one, and a contradicting record of the very person, all hidden."""
    enter("prairie_clinic", "1", **RUTH)
    vague = {key: value for key, value in RUTH.items() if key != "telecom"}
    asked = [{**RUTH, **MRN}, RUTH, vague, TWIN]
    before = [match(hospital, patient, onlyCertainMatches=only) for patient in asked]
    enter("prairie_clinic", "h1", "HIV", **{**RUTH, **MRN})
    enter("prairie_clinic", "h2", "HIV", **TWIN)
    enter("prairie_clinic", "h3", "HIV", **{**RUTH, "multipleBirthInteger": 2})

    assert [match(hospital, patient, onlyCertainMatches=only) for patient in asked] == before
    assert any(graded(bundle) for bundle in before)


def test_a_hidden_namesake_parts_nobody_for_whom_he_is_hidden(api, token_of, match, hospital, enter):
    """In the index the daughter of one name takes back the link that held while she was not known."""
    unclear = {key: value for key, value in RUTH.items() if key != "birthDate"}
    ids = [enter("prairie_clinic", "1", **RUTH), enter("lakeside_hospital", "1", **unclear)]
    bearer = {"authorization": f"Bearer {token_of(hospital)}"}

    def seen():
        people = api.get("/fhir/Patient?family=Harding", headers=bearer).json()
        return match(hospital, RUTH), match(hospital, unclear), people["total"], people["entry"]

    before = seen()
    assert graded(before[0]) == [(golden_id(min(ids)), "certain")]
    assert graded(before[1]) == [(golden_id(min(ids)), "possible")]
    enter("prairie_clinic", "h1", "HIV", **{**RUTH, "birthDate": "2004-09-02"})
    assert seen() == before
    enter("prairie_clinic", "2", **{**RUTH, "birthDate": "2004-09-02"})
    assert seen()[2] == 3


def test_a_narrow_token_matches_within_its_constraint(api, token_of, hospital, enter):
    ruth = enter("prairie_clinic", "1", **RUTH)
    enter("lakeside_hospital", "1", **{**RUTH, "gender": "other"})
    body = {"resourceType": "Patient", **RUTH}
    found = [
        graded(send(api, token_of(hospital, scope=scope), body).json())
        for scope in ("system/Patient.s?gender=female", "system/Patient.s?gender=male")
    ]
    assert found == [[(golden_id(ruth), "certain")], []]


def test_a_patient_alone_may_be_the_body_with_the_rest_in_the_url(api, token_of, hospital, enter):
    ruth, body = enter("prairie_clinic", "1", **RUTH), {"resourceType": "Patient", **RUTH}
    answer = send(api, token_of(hospital), body, query="?count=1&onlyCertainMatches=true")
    assert graded(answer.json()) == [(golden_id(ruth), "certain")]


@pytest.mark.parametrize(
    ("patient", "status", "word"),
    [
        ({"gender": "female"}, 400, "birth date"),
        ({**RUTH, "birthDate": "February"}, 422, "birthDate"),
        ({**RUTH, "name": "Ruth"}, 422, "name"),
        (
            {"name": RUTH["name"], "birthDate": "1984-02-09", "meta": {"profile": [LEVEL_0]}},
            422,
            "weight of 9",
        ),
    ],
)
def test_too_little_or_malformed_is_refused_without_repeating_it(match, hospital, patient, status, word):
    told = match(hospital, patient, status)["issue"][0]["diagnostics"]
    assert word in told
    assert "Ruth" not in told
    assert "February" not in told


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resourceType": "Parameters"}, 400),
        ({"resourceType": "Parameters", "parameter": [1]}, 400),
        ({"resourceType": "Parameters", "parameter": 5}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {}}]}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "colour", "valueString": "red"}]}, 400),
        ({"resourceType": "Observation"}, 400),
        ([], 400),
    ],
)
def test_what_is_no_question_is_refused(api, token_of, hospital, body, status):
    assert send(api, token_of(hospital), body).status_code == status


@pytest.mark.parametrize(("name", "value"), [("count", 0), ("count", -1), ("onlyCertainMatches", "maybe")])
def test_options_that_mean_nothing_are_refused(match, hospital, name, value):
    match(hospital, RUTH, 400, **{name: value})


def test_a_form_is_no_description(api, token_of, hospital):
    answer = api.post(
        "/fhir/Patient/$match", data={"a": "b"}, headers={"authorization": f"Bearer {token_of(hospital)}"}
    )
    assert answer.status_code == 415


def test_what_is_told_is_recorded_for_each_patient(match, hospital, enter, audit_rows):
    ruth = enter("prairie_clinic", "1", **RUTH)
    match(hospital, RUTH)
    assert ("everything", golden_id(ruth)) in [(kind, patient) for kind, _, patient, _ in audit_rows()]


@pytest.mark.parametrize(
    ("patient", "weight"),
    [
        ({**RUTH}, 10),
        ({"name": RUTH["name"]}, 3),
        ({"name": RUTH["name"], "birthDate": "1984-02-09", "address": RUTH["address"]}, 9),
        ({"identifier": [{"value": "1", "type": {"coding": [{"code": "PPN"}]}}] * 3}, 10),
        ({"identifier": [{"value": "512346789", "system": "http://hl7.org/fhir/sid/us-ssn"}]}, 4),
        ({"address": [{"line": ["12 Oak Street"]}]}, 0),
    ],
)
def test_the_input_weighs_what_the_guide_says(patient, weight):
    assert input_weight(patient) == weight

import pytest

from tests.content.mapping import codes, errors, id_in, mapped, of_type, the

PERSON = {
    "client_id": "GT-00042",
    "full_name": "Lupe Martinez Lopez",
    "birth_date": "04/12/1971",
    "gender": "Female",
    "phone": "(217) 555-0147",
    "street": "1204 W Cedar",
    "city": "Springfield",
    "state": "IL",
    "zip": "62704",
    "language": "Spanish",
    "household_size": "3",
    "first_visit": "01/15/2025",
    "last_visit": "11/10/2026",
    "updated_at": "2026-11-10T11:20:00",
}
SCREENING = {
    "screening_id": "SC-1",
    "client_id": "GT-00042",
    "screened_on": "11/10/2026",
    "worried_food_run_out": "often",
    "food_did_not_last": "declined",
    "food_risk": "at risk",
    "housing_status": "worried",
}
REFERRAL = {
    "referral_id": "RF-1",
    "client_id": "GT-00042",
    "need": "housing",
    "referred_on": "11/10/2026",
    "referred_to": "1999999984",
    "status": "declined",
    "status_date": "11/12/2026",
    "note": "Needs a room",
    "authorization_signed": "11/10/2026",
    "authorization_until": "05/10/2027",
    "authorization_status": "revoked",
}


def test_a_person_is_a_patient_whose_one_name_cell_is_kept_whole():
    found = mapped("good_table", "people", PERSON)

    patient = the(found, "Patient")
    assert patient["id"] == id_in("good_table", "Patient", "GT-00042")
    assert patient["name"][0]["text"] == "Lupe Martinez Lopez"
    assert codes(patient["communication"][0]["language"]) == ["es"]
    assert the(found, "Observation")["valueQuantity"]["value"] == 3
    assert errors(found) == []


def test_an_impossible_birth_date_is_an_error_of_the_record():
    found = mapped("good_table", "people", {**PERSON, "birth_date": "13/45/1980"})

    assert [(issue.severity, issue.expression) for issue in found.issues] == [("error", "Patient.birthDate")]


def test_a_hunger_screening_is_three_observations_and_a_concern():
    found = mapped("good_table", "screenings", SCREENING)

    by_code = {codes(o["code"])[0]: o for o in of_type(found, "Observation")}
    assert codes(by_code["88122-7"]["valueCodeableConcept"]) == ["LA28397-0"]
    assert codes(by_code["88123-5"]["dataAbsentReason"]) == ["asked-declined"]
    assert codes(by_code["88124-3"]["valueCodeableConcept"]) == ["LA19952-3"]
    assert len(by_code["88124-3"]["derivedFrom"]) == 2
    assert codes(the(found, "Condition")["code"])[0] == "Z59.41"
    assert errors(found) == []


def test_an_answer_refused_says_nothing_about_another_question():
    found = mapped("good_table", "screenings", {**SCREENING, "worried_food_run_out": "declined"})

    assert [("dataAbsentReason" in made) for made in of_type(found, "Observation")] == [
        True,
        True,
        False,
        False,
    ]
    assert errors(found) == []


def test_without_risk_there_is_no_concern():
    found = mapped("good_table", "screenings", {**SCREENING, "food_risk": "no risk"})

    assert of_type(found, "Condition") == []


@pytest.mark.parametrize(
    ("answer", "question", "value"),
    [
        ("worried", "93033-9", "LA33-6"),
        ("no housing", "71802-3", "LA30190-5"),
        ("has housing", "71802-3", "LA30189-7"),
    ],
)
def test_the_housing_answer_is_put_to_the_question_it_answers(answer, question, value):
    found = mapped("good_table", "screenings", {**SCREENING, "housing_status": answer})

    last = of_type(found, "Observation")[-1]
    assert (codes(last["code"]), codes(last["valueCodeableConcept"])) == ([question], [value])


def test_a_referral_is_a_request_a_task_and_the_consent_signed_for_it():
    found = mapped("good_table", "referrals", REFERRAL)

    request, task, consent = (the(found, t) for t in ("ServiceRequest", "Task", "Consent"))
    assert (request["status"], task["status"], consent["status"]) == ("revoked", "rejected", "inactive")
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert task["owner"]["identifier"]["value"] == "1999999984"
    assert request["supportingInfo"] == [{"reference": f"Consent/{consent['id']}"}]
    assert consent["provision"]["period"] == {"start": "2026-11-10", "end": "2027-05-10"}
    assert errors(found) == []


def test_a_referral_without_signature_brings_no_consent():
    found = mapped(
        "good_table", "referrals", {**REFERRAL, "authorization_signed": "", "authorization_status": ""}
    )

    assert of_type(found, "Consent") == []
    assert "supportingInfo" not in the(found, "ServiceRequest")

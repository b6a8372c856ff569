"""Fields that HL7's segment maps and the tests of LinuxForHealth's converter publish."""

from __future__ import annotations

import pytest

from tests.content.mapping import codes, errors, of_type, the
from tests.content.test_hl7v2_maps import taken
from tests.content.test_hl7v2_order_maps import message

V2 = "http://terminology.hl7.org/CodeSystem/v2-"


def segment(name, fields):
    return f"{name}|" + "|".join(fields.get(number, "") for number in range(1, max(fields) + 1))


def adt(*segments):
    return message("ADT^A01", *segments)


VISIT = {2: "I", 5: "PRE1", 13: "R", 15: "B6~A1", 19: "V1", 44: "20260101", 50: "ALT9", 52: "7^Oth^Er"}


def test_what_a_visit_says_of_itself():
    found = adt(segment("PV1", VISIT), segment("PV2", {11: "3", 22: "Y", 38: "C^Car^HL70430"}))
    visit = the(found, "Encounter")
    assert [each["value"] for each in visit["identifier"]] == ["V1", "ALT9"]
    assert visit["length"] | {"value": None} == {
        "value": None,
        "unit": "d",
        "system": "http://unitsofmeasure.org",
        "code": "d",
    }
    assert visit["length"]["value"] == 3
    assert visit["extension"][0]["valueCoding"] == {"system": f"{V2}0430", "code": "C", "display": "Car"}
    stay = visit["hospitalization"]
    assert stay["preAdmissionIdentifier"]["value"] == "PRE1"
    assert codes(stay["reAdmission"]) == ["R"]
    assert [codes(each) for each in stay["specialArrangement"]] == [["B6"], ["A1"]]
    (other,) = visit["participant"]
    assert codes(other["type"][0]) == ["PART"]
    assert other["individual"]["reference"] == f"Practitioner/{the(found, 'Practitioner')['id']}"


@pytest.mark.parametrize(("sent", "labels"), [("Y", ["R"]), ("N", []), ("", [])])
def test_a_visit_that_must_be_protected_is_restricted(sent, labels):
    visit = the(adt(segment("PV1", VISIT), segment("PV2", {11: "3", 22: sent})), "Encounter")
    assert [each["code"] for each in visit["meta"].get("security", [])] == labels


def test_a_participant_took_part_for_a_time_and_a_diagnosis_has_a_rank_and_a_number():
    found = adt(
        segment("PV1", VISIT | {52: ""}), "ROL|1|AD|AT^Attending^HL70443|9^At^Ten|20260101|20260103",
        segment("DG1", {1: "1", 3: "I10^Hypertension^I10", 15: "1", 20: "D77^LH"}),
    )  # fmt: skip
    assert the(found, "Encounter")["participant"][0]["period"] == {"start": "2026-01-01", "end": "2026-01-03"}
    assert the(found, "Encounter")["diagnosis"][0]["rank"] == 1
    assert the(found, "Condition")["identifier"][0]["value"] == "D77"


def test_the_person_has_a_tribe_a_religion_a_birth_place_a_clinic_and_a_work_address_for_mail():
    said = {14: "^WPN^X.400^pro@b.example~^WPN^PH^^^555^1111414", 17: "LUT^Lutheran^HL70006", 23: "Peoria"}
    pid = segment("PID", {3: "L1^^^LAKESIDE^MR", 5: "Roe^Ann", 39: "170^Navajo^L"} | said)
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A31|1|P|2.5.1", pid, "PD1|||Main Clinic^^^^^^NPI^^^1999999901")
    person = the(found, "Patient")
    assert [each["url"].rpartition("/")[2] for each in person["extension"]] == [
        "patient-religion", "patient-birthPlace", "us-core-tribal-affiliation",
    ]  # fmt: skip
    assert codes(person["extension"][2]["extension"][0]["valueCodeableConcept"]) == ["170"]
    assert [(each["system"], each["value"]) for each in person["telecom"]] == [
        ("email", "pro@b.example"), ("phone", "5551111414"),
    ]  # fmt: skip
    assert person["generalPractitioner"][0]["display"] == "Main Clinic"


def test_a_result_has_a_site_a_device_and_the_laboratory_of_older_versions():
    found = message(
        "ORU^R01", "ORC|RE|P1^L|F1^L", "OBR|1|||2345-7^Glucose^LN|||20260301",
        "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F||||OLDLAB^Old Lab^CLIA|||EQ1^LAB||LA^Left arm^HL70163",
    )  # fmt: skip
    result = the(found, "Observation")
    assert codes(result["bodySite"]) == ["LA"]
    assert result["device"]["identifier"]["value"] == "EQ1"
    assert [each["display"] for each in result["performer"]] == ["Old Lab"]
    assert [each["value"] for each in the(found, "DiagnosticReport")["identifier"]] == ["F1", "P1"]


@pytest.mark.parametrize(
    ("dose", "status", "reason"),
    [
        ({18: "00^Parental refusal^NIP002"}, "not-done", ["PATOBJ", "00"]),
        ({18: "00^Parental refusal^NIP002", 20: "CP"}, "completed", ["PATOBJ", "00"]),
        ({20: "RE"}, "not-done", ["PATOBJ"]),
        ({20: "NA"}, "not-done", []),
        ({}, "completed", []),
    ],
)
def test_a_dose_that_was_refused_was_not_given(dose, status, reason):
    found = message(
        "VXU^V04", segment("ORC", {1: "RE", 3: "D1^R", 9: "20260102"}),
        segment("RXA", {1: "0", 2: "1", 3: "20260101", 5: "08^HepB^CVX", 19: "E^exposure^L"} | dose),
    )  # fmt: skip
    given = the(found, "Immunization")
    assert given["status"] == status
    assert codes(given.get("statusReason", {"coding": []})) == reason
    assert given["recorded"] == "2026-01-02"
    assert codes(given["reasonCode"][0]) == ["E"]


def test_an_order_says_how_often_and_what_matters_to_it():
    pills = message("ORM^O01", "ORC|NW|P7^L", "TQ1|1||BID", "RXO|1^Drug^RXNORM|1||^tab", "RXR|PO")
    assert the(pills, "MedicationRequest")["dosageInstruction"][0]["timing"] == {"code": {"text": "BID"}}
    blood = message("ORM^O01", "ORC|NW|P7^L", "OBR|1|P7^L||1^x^LN|||||||||fasting")
    assert the(blood, "ServiceRequest")["note"] == [{"text": "fasting"}]


def test_a_document_keeps_the_numbers_of_its_order():
    found = message(
        "MDM^T02", "ORC|RE|P7^L|F7^L", segment("TXA", {1: "1", 2: "PN", 4: "20260101", 12: "D1^L"}),
        "OBX|1|TX|11506-3^Note^LN||ok||||||F",
    )  # fmt: skip
    (document,) = of_type(found, "DocumentReference")
    assert [(codes(each["type"]), each["value"]) for each in document["identifier"]] == [
        (["PLAC"], "P7"), (["FILL"], "F7"),
    ]  # fmt: skip


def test_where_a_visit_was_and_will_be_and_when_it_is_planned():
    places = {3: "4W^401^A", 6: "ED^7", 11: "XRAY", 42: "ICU"}
    planned = {8: "20260101", 9: "202601051000", 12: r"Hip \T\ knee"}
    found = adt(segment("PV1", VISIT | places), segment("PV2", planned))
    visit = the(found, "Encounter")
    names = {f"Location/{each['id']}": each["name"] for each in of_type(found, "Location")}
    assert [(names[each["location"]["reference"]], each.get("status")) for each in visit["location"]] == [
        ("4W 401 A", None), ("ED 7", "completed"), ("XRAY", "active"), ("ICU", "reserved"),
    ]  # fmt: skip
    dates = {each["url"].rpartition("/")[2]: each["valueDateTime"] for each in visit["extension"]}
    assert dates == {"planned-start": "2026-01-01", "planned-end": "2026-01-05T10:00:00-06:00"}
    assert "Hip &amp; knee" in visit["text"]["div"]
    assert errors(found) == []


@pytest.mark.parametrize(
    ("address", "districts"),
    [
        ("1 Elm St^^Peoria", ["143"]),
        ("1 Elm St^^Peoria^^^^^^179", ["179", "143"]),
        ("1 Elm St^^Peoria^^^^^^143", ["143"]),
        ("1 Elm St~2 Oak St", [None, None, "143"]),
        ("", ["143"]),
    ],
)
def test_the_county_of_older_versions_stands_in_the_address(address, districts):
    pid = segment("PID", {3: "L1^^^LAKESIDE^MR", 5: "Roe^Ann", 11: address, 12: "143"})
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A31|1|P|2.3", pid)
    assert [each.get("district") for each in the(found, "Patient")["address"]] == districts


ORDER = {1: "NW", 2: "P1", 12: "7^Cal^Len"}
PLACE = {21: "Elm Clinic^^^^^^NPI^^^1999999919", 22: "1 Elm St^^Peoria", 23: "^WPN^PH^^^309^5550199"}
TEST = "OBR|1|P1||718-7^Hemoglobin^LN"


def order(orc, *more):
    return message("ORM^O01", segment("ORC", ORDER | orc), *more)


def test_who_orders_for_which_organization_and_where_to_call_back():
    found = order(PLACE | {14: "^WPN^PH^^^309^5550100", 29: "O"}, TEST)
    request, role = the(found, "ServiceRequest"), the(found, "PractitionerRole")
    place = next(each for each in of_type(found, "Organization") if each["name"] == "Elm Clinic")
    assert request["requester"] == {"reference": f"PractitionerRole/{role['id']}"}
    assert role["practitioner"]["reference"] == f"Practitioner/{the(found, 'Practitioner')['id']}"
    assert role["organization"]["reference"] == f"Organization/{place['id']}"
    assert place["identifier"][0]["value"] == "1999999919"
    assert (place["telecom"][0]["value"], place["address"][0]["city"]) == ("3095550199", "Peoria")
    assert request["extension"][0]["valueContactPoint"]["value"] == "3095550100"
    assert codes(request["locationCode"][0]) == ["O"]
    assert errors(found) == []


def test_an_order_that_names_no_person_is_its_organizations():
    found = order(PLACE | {12: ""}, TEST)
    (place,) = [each for each in of_type(found, "Organization") if each["name"] == "Elm Clinic"]
    assert the(found, "ServiceRequest")["requester"] == {"reference": f"Organization/{place['id']}"}
    assert of_type(found, "PractitionerRole") == []


@pytest.mark.parametrize(("control", "why", "ended"), [("NW", ["D"], []), ("CA", [], ["D"])])
def test_why_an_order_was_cancelled_is_no_reason_to_order_it(control, why, ended):
    request = the(order({1: control, 16: "D^Patient died^L"}, TEST), "ServiceRequest")
    assert [codes(each)[0] for each in request.get("reasonCode", [])] == why
    told = [codes(each["valueCodeableConcept"])[0] for each in request.get("extension", [])]
    assert told == ended


def test_a_prescription_keeps_its_strength_its_rate_and_what_the_pharmacy_should_know():
    drug = {
        1: "11124^Morphine^RXNORM",
        2: "5",
        4: "mg",
        6: "^Mix fresh",
        18: "10",
        19: "mg/mL",
        21: "2",
        22: "mL/h",
    }
    request = the(order({}, segment("RXO", drug)), "MedicationRequest")
    assert [each["text"] for each in request["note"]] == ["Mix fresh", "Strength: 10 mg/mL"]
    (dosage,) = request["dosageInstruction"]
    assert dosage["doseAndRate"][1]["rateQuantity"] == {"value": 2, "unit": "mL/h"}


def test_a_report_names_technicians_and_typists_and_a_note_who_wrote_it_when():
    read = {32: "1&Lee&Ann", 33: "2&Kim&Bo", 34: "3&Tec&Ty", 35: "4&Pen&Flo"}
    obr = segment("OBR", {3: "F1", 4: "718-7^Hemoglobin^LN", 7: "20260101", 25: "F"} | read)
    notes = ["NTE|1||clotted||9^Ash^Eve|20260102", "NTE|2||sent again||9^Ash^Eve|20260103"]
    found = message(
        "ORU^R01", obr, "OBX|1|NM|718-7^Hemoglobin^LN||13|||||F", *notes, "SPM|1|^S1|P0&X^S0&X|BLD"
    )
    report = the(found, "DiagnosticReport")
    assert [each.get("display") for each in report["performer"]] == [None, "Ty Tec", "Flo Pen"]
    assert len(report["resultsInterpreter"]) == 2
    (note,) = the(found, "Observation")["note"]
    assert note == {"text": "clotted\nsent again", "time": "2026-01-03", "authorString": "Eve Ash"}
    assert the(found, "Specimen")["parent"][0]["identifier"]["value"] == "S0"
    assert errors(found) == []

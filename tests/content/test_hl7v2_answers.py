"""What an OBX answers: several answers, intervals, comparisons, units, attachments; where and by whom."""

from __future__ import annotations

import pytest

from tests.content.mapping import errors, of_type, the
from tests.content.test_hl7v2_coded_maps import ADT, OBR, ORU, PV1
from tests.content.test_hl7v2_maps import PID, pv1, taken

UCUM = "http://unitsofmeasure.org"


def answered(kind: str, value: str, unit: str = "", rest: str = ""):
    found = taken(ORU, PID, OBR, f"OBX|1|{kind}|600-7^Culture^LN||{value}|{unit}|||||F{rest}")
    assert errors(found) == []
    return found


def test_each_of_several_coded_answers_is_told():
    told = the(answered("CWE", "112283007^E. coli^SCT~3092008^Staph^SCT"), "Observation")
    assert [part["valueCodeableConcept"]["text"] for part in told["component"]] == ["E. coli", "Staph"]
    assert "valueCodeableConcept" not in told


def test_each_of_several_numbers_is_told_with_the_unit():
    told = the(answered("NM", "5~high", "mg/dl"), "Observation")["component"]
    assert told[0]["valueQuantity"] == {"value": 5, "unit": "mg/dl", "system": UCUM, "code": "mg/dL"}
    assert told[1]["valueString"] == "high"


@pytest.mark.parametrize(
    ("kind", "value", "element", "told"),
    [
        ("SN", ">=^4", "valueQuantity", {"value": 4, "comparator": ">="}),
        ("SN", "^1^:^128", "valueRatio", {"numerator": {"value": 1}, "denominator": {"value": 128}}),
        ("SN", "^2^-^5", "valueRange", {"low": {"value": 2}, "high": {"value": 5}}),
        ("SN", "^2^+", "valueString", "2 +"),
        ("SN", "<>^4", "valueString", "<> 4"),
        ("NR", "1^4", "valueRange", {"low": {"value": 1}, "high": {"value": 4}}),
        ("DR", "20260101^20260102", "valuePeriod", {"start": "2026-01-01", "end": "2026-01-02"}),
        ("TM", "1230", "valueTime", "12:30:00"),
        ("TM", "1230-0500", "valueString", "1230-0500"),
    ],
)
def test_an_answer_is_told_in_the_form_it_has(kind, value, element, told):
    made = the(answered(kind, value), "Observation")
    assert made[element] == told
    assert [name for name in made if name.startswith("value")] == [element]


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("g/dl", "g/dL"),
        ("K/uL^thousands^L", "10*3/uL"),
        ("MGDL^mg^L^mg/dL^mg^UCUM", "mg/dL"),
        ("{cells}/uL^^UCUM", "{cells}/uL"),
        ("degF^^ISO+", "[degF]"),
    ],
)
def test_a_unit_is_told_as_sent_and_in_ucum(unit, code):
    quantity = the(answered("NM", "7", unit), "Observation")["valueQuantity"]
    assert (quantity["system"], quantity["code"]) == (UCUM, code)


def test_a_unit_that_nobody_knows_stays_and_goes_on_the_worklist():
    found = answered("NM", "7", "zorks")
    assert the(found, "Observation")["valueQuantity"] == {"value": 7, "unit": "zorks"}
    assert [unmapped.code for unmapped in found.unmapped] == ["zorks"]


def test_an_attached_report_says_what_it_is():
    report = the(answered("ED", "^application^pdf^Base64^JVBE Ri0x"), "DiagnosticReport")
    assert report["presentedForm"] == [
        {"contentType": "application/pdf", "title": "Culture", "data": "JVBERi0x"}
    ]


def test_who_answers_for_an_observation_is_named():
    performer = the(answered("NM", "7", rest="|||||9^Nurse^Nan"), "Observation")["performer"][1]
    assert performer["display"] == "Nan Nurse"
    assert performer["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "RESP"


def test_a_procedure_has_its_end_its_modifiers_and_its_place():
    done = "PR1|1||27447^Knee^CPT||202511031000||90|||||||||51^Multiple^CPT~RT^Right^CPT|||||||OR^1^^FAC"
    found = taken(ADT, PID, pv1(), done)
    assert errors(found) == []
    procedure = the(found, "Procedure")
    assert [coding["code"] for coding in procedure["code"]["coding"]] == ["27447", "27447:51:RT"]
    assert procedure["performedPeriod"]["end"].startswith("2025-11-03T11:30:00")
    (place,) = [made for made in of_type(found, "Location") if made["name"] == "OR 1"]
    assert procedure["location"]["reference"] == f"Location/{place['id']}"


def test_a_visit_names_where_it_was_to_be_where_it_was_and_where_it_went():
    fields = pv1().split("|")
    fields[37], fields[43] = "OAK&Oak Nursing Home", "W3^8^8^FAC"
    visit = "|".join(fields)
    found = taken(ADT, PID, visit, "PV2|W9^7^7^FAC||||||||||||5^Ref^Ray||||||||||||E^Emergency^L")
    assert errors(found) == []
    names = {f"Location/{made['id']}": made["name"] for made in of_type(found, "Location")}
    encounter = the(found, "Encounter")
    told = {names[each["location"]["reference"]]: each.get("status") for each in encounter["location"]}
    assert (told["W3 8 8"], told["W9 7 7"]) == ("completed", "planned")
    assert names[encounter["hospitalization"]["destination"]["reference"]] == "Oak Nursing Home"
    assert "REF" in [each["type"][0]["coding"][0]["code"] for each in encounter["participant"]]
    assert encounter["priority"]["text"] == "Emergency"


@pytest.mark.parametrize(
    ("allergen", "code"),
    [
        ("NKDA", "409137002"),
        ("^No Known Allergies", "716186003"),
        ("NKA^No known allergy^L", "716186003"),
        ("^no known food allergies", "429625007"),
        ("716186003^No known allergy^SCT", "716186003"),
        ("^Penicillin, no known allergy to others", None),
    ],
)
def test_that_no_allergy_is_known_is_a_code_whatever_the_words(allergen, code):
    told = the(taken(ADT, PID, f"AL1|1|DA|{allergen}"), "AllergyIntolerance")["code"]
    snomed = [
        each["code"] for each in told.get("coding", []) if each.get("system") == "http://snomed.info/sct"
    ]
    assert snomed == ([code] if code else [])


def test_every_reason_is_kept():
    reasons = "PR1|1||1^A^C4||20261103||||||||||I10^a^I10~E11^b^I10"
    found = taken(ADT, PID, PV1, "PV2|||R06.0^Dyspnea^I10~R07.9^Pain^I10", reasons)
    assert len(the(found, "Encounter")["reasonCode"]) == len(the(found, "Procedure")["reasonCode"]) == 2


def test_an_emptied_list_of_allergies_is_no_finding_and_one_without_a_substance_is():
    assert taken(ADT, PID, 'AL1|""').issues == ()
    assert [issue.code for issue in taken(ADT, PID, "AL1|1|DA||SV").issues] == ["required"]

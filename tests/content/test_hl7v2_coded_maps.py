"""Codes of which only the text or the second one is sent, and fields that published examples have."""

from __future__ import annotations

import pytest

from tests.content.mapping import errors, of_type, the
from tests.content.test_hl7v2_maps import PID, pv1, taken

ADT = r"MSH|^~\&|LHADT|LAKESIDE|||20261103142530-0600||ADT^A01|1|P|2.5.1"
ORU = ADT.replace("ADT^A01", "ORU^R01")
PV1 = pv1()
OBR = "OBR|1|P1^L|F1^L|51990-0^Panel^LN|||20261103140000|20261103141000"
SECOND = "^^^99717-6^Hydroxyprogesterone^L"


@pytest.mark.parametrize(("code", "text"), [(SECOND, "Hydroxyprogesterone"), ("^Glucose^L", "Glucose")])
@pytest.mark.parametrize(
    ("segment", "made"),
    [
        ("OBX|1|NM|{}||7||||||F", "Observation"),
        ("DG1|1||{}||20261103|A", "Condition"),
        ("PR1|1||{}||20261103", "Procedure"),
        ("IAM|1|DA|{}|SV||A|1^L", "AllergyIntolerance"),
    ],
)
def test_what_is_named_by_its_text_or_its_second_code_alone_is_not_lost(segment, made, code, text):
    found = taken(ADT, PID, PV1, segment.format(code))
    assert errors(found) == []
    assert the(found, made)["code"]["text"] == text


def test_results_and_orders_are_known_by_their_second_code_too():
    found = taken(ORU, PID, OBR.replace("51990-0^Panel^LN", SECOND), f"OBX|1|NM|{SECOND}||7||||||F")
    assert the(found, "DiagnosticReport")["code"]["text"] == "Hydroxyprogesterone"
    assert len(the(found, "DiagnosticReport")["result"]) == 1


def test_a_result_names_the_laboratory_that_did_it_and_its_own_number():
    done_by = "Testing Lab^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^12D4567890"
    found = taken(
        ORU,
        PID,
        OBR,
        f"OBX|1|NM|1-8^x^LN||7||||||F||||||||||EI21^LAB||{done_by}",
        "OBX|2|NM|2-6^y^LN||8||||||F",
    )
    assert errors(found) == []
    first, second = of_type(found, "Observation")
    assert first["performer"] == [
        {
            "type": "Organization",
            "display": "Testing Lab",
            "identifier": {"system": "urn:oid:2.16.840.1.113883.4.7", "value": "12D4567890"},
        }
    ]
    assert [identifier["value"] for identifier in first["identifier"]] == ["EI21"]
    assert second["performer"][0]["reference"].startswith("Organization/")


def test_an_examination_that_took_a_while_has_a_period():
    report = the(taken(ORU, PID, OBR, "OBX|1|NM|1-8^x^LN||7||||||F"), "DiagnosticReport")
    assert report["effectivePeriod"] == {
        "start": "2026-11-03T14:00:00-06:00",
        "end": "2026-11-03T14:10:00-06:00",
    }
    assert not report.keys() & {"effectiveDateTime", "_effectiveDateTime"}


def test_who_diagnosed_and_what_the_patient_eats_are_kept():
    diagnosis = "DG1|1||J18.9^Pneumonia^I10C||20261103|A||||||||||1999999034^Delgado^Ramon^^^^^^NPI"
    found = taken(ADT, PID, PV1.replace("|" * 25, "|" * 19 + "VEG^Vegetarian" + "|" * 6, 1), diagnosis)
    assert errors(found) == []
    doctor = the(found, "Practitioner")
    assert the(found, "Condition")["asserter"] == {"reference": f"Practitioner/{doctor['id']}"}
    assert the(found, "Encounter")["hospitalization"]["dietPreference"][0]["coding"][0]["code"] == "VEG"


def test_a_licence_a_telephone_of_version_2_8_and_an_address_in_parts_are_kept():
    person = f"{PID}|||&Main St&12^^Peoria^IL|||||||||X123^IL^20301231" + "|" * 20 + "^PRN^PH^^^309^5550100"
    found = taken(ADT.replace("A01", "A31"), person)
    assert errors(found) == []
    patient = the(found, "Patient")
    assert patient["address"][0]["line"] == ["12 Main St"]
    assert patient["telecom"][0]["value"] == "3095550100"
    assert patient["identifier"][-1]["value"] == "X123"
    assert patient["identifier"][-1]["period"] == {"end": "2030-12-31"}

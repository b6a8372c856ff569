"""The specimen of OBR-15, and coding systems that follow from the field a code stands in."""

from __future__ import annotations

import pytest

from tests.content.mapping import errors, of_type, the
from tests.content.test_hl7v2_maps import PID, taken
from tests.content.test_hl7v2_order_maps import message

V2 = "http://terminology.hl7.org/CodeSystem/v2-"
OBX = "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F"
PRE_SPM = (
    "OBR|1|P1^L|F1^L|2345-7^Glucose^LN|||20260301080000||2^mL|^Vega^Ana||||20260301093000"
    "|BLD&Whole blood^HEPL^from the left arm^LA&Left Arm^^F"
)


def with_source(text, kind="ORU^R01"):
    return message(kind, f"OBR|1|P1^L|F1^L|2345-7^Glucose^LN|||20260301||||||||{text}", OBX)


def test_an_order_group_without_spm_has_the_specimen_of_obr_15():
    found = message("ORU^R01", PRE_SPM, OBX)
    specimen = the(found, "Specimen")
    assert specimen["type"] == {
        "coding": [{"system": f"{V2}0070", "code": "BLD", "display": "Whole blood"}],
        "text": "Whole blood",
    }
    assert specimen["receivedTime"] == "2026-03-01T09:30:00-06:00"
    assert specimen["collection"] == {
        "collector": {"display": "Ana Vega"},
        "collectedDateTime": "2026-03-01T08:00:00-06:00",
        "quantity": {"value": 2, "unit": "mL"},
        "bodySite": {
            "coding": [{"system": f"{V2}0163", "code": "LA", "display": "Left Arm"}],
            "text": "Left Arm",
        },
    }
    assert specimen["container"][0]["additiveCodeableConcept"]["coding"][0]["system"] == f"{V2}0371"
    assert specimen["condition"][0]["coding"][0]["code"] == "F"
    assert specimen["note"] == [{"text": "from the left arm"}]
    reference = {"reference": f"Specimen/{specimen['id']}"}
    assert the(found, "Observation")["specimen"] == reference
    assert the(found, "DiagnosticReport")["specimen"] == [reference]


def test_the_order_and_its_result_speak_of_one_specimen():
    ordered = message("ORM^O01", "ORC|NW|P1^L", PRE_SPM)
    assert the(ordered, "Specimen")["id"] == the(message("ORU^R01", PRE_SPM, OBX), "Specimen")["id"]
    assert the(ordered, "ServiceRequest")["specimen"][0]["reference"].startswith("Specimen/")


def test_a_code_with_its_system_is_read_where_the_parts_of_a_specimen_stand():
    found = with_source("440500007^Blood spot specimen^SCT")
    assert the(found, "Specimen") | {"type": None, "id": "", "meta": {}, "subject": {}} == {
        "resourceType": "Specimen", "id": "", "meta": {}, "subject": {}, "type": None,
        "collection": {"collectedDateTime": "2026-03-01"},
    }  # fmt: skip
    assert the(found, "Specimen")["type"]["coding"][0]["system"] == "http://snomed.info/sct"


def test_a_source_in_words_keeps_them():
    assert the(with_source("^^throat swab"), "Specimen")["note"] == [{"text": "throat swab"}]
    assert the(with_source("Serum"), "Specimen")["type"]["text"] == "Serum"


def test_spm_comes_before_obr_15_and_an_empty_one_makes_nothing():
    found = message("ORU^R01", PRE_SPM, OBX, "SPM|1|S1&L||SER")
    assert the(found, "Specimen")["type"]["coding"][0]["system"] == f"{V2}0487"
    assert of_type(with_source(""), "Specimen") == []


SIU = r"MSH|^~\&|A|B|||20260301||SIU^S12|1|P|2.5.1"
VXU = r"MSH|^~\&|A|B|||20260301||VXU^V04|1|P|2.5.1"
ORM = r"MSH|^~\&|A|B|||20260301||ORM^O01|1|P|2.5.1"
DOSE = "RXA|0|1|20260301||08^Hep B|0.5"


@pytest.mark.parametrize(
    ("header", "segments", "made", "path", "system"),
    [
        (SIU, ("SCH|1|2|||||CHECKUP",), "Appointment", ("reasonCode", 0), f"{V2}0276"),
        (SIU, ("SCH|1|2||||||Normal",), "Appointment", ("appointmentType",), f"{V2}0277"),
        (SIU, ("SCH|1|2", "AIP|1||5^Vega|MD"), "Appointment", ("participant", 1, "type", 0), f"{V2}0182"),
        (SIU, ("SCH|1|2", "AIL|1||W^1|C"), "Appointment", ("participant", 1, "type", 0), f"{V2}0305"),
        (VXU, ("ORC|RE||1", DOSE, "RXR|IM|LD"), "Immunization", ("route",), f"{V2}0162"),
        (VXU, ("ORC|RE||1", DOSE, "RXR|IM|LD"), "Immunization", ("site",), f"{V2}0163"),
        (VXU, ("ORC|RE||1", DOSE), "Immunization", ("vaccineCode",), "http://hl7.org/fhir/sid/cvx"),
        (ORM, ("ORC|NW|1", "RXO|5^Drug", "RXR|PO|||CH"), "MedicationRequest",
         ("dosageInstruction", 0, "method"), f"{V2}0165"),
    ],
)  # fmt: skip
def test_a_code_without_its_system_is_of_the_table_of_its_field(header, segments, made, path, system):
    found = taken(header, PID, *segments)
    assert errors(found) == []
    concept = the(found, made)
    for step in path:
        concept = concept[step]
    assert concept["coding"][0]["system"] == system


def test_a_code_that_the_table_does_not_list_is_the_senders_own():
    found = taken(VXU, PID, "ORC|RE||1", DOSE, "RXR|ZZ9^By hand")
    assert the(found, "Immunization")["route"]["coding"][0]["system"].endswith("/codes/0162")
    assert the(found, "Immunization")["route"]["text"] == "By hand"


def test_a_system_that_is_named_counts_before_that_of_the_field():
    found = taken(VXU, PID, "ORC|RE||1", DOSE, "RXR|C28161^Intramuscular^NCIT")
    assert "0162" not in the(found, "Immunization")["route"]["coding"][0]["system"]


@pytest.mark.parametrize(
    ("race", "category"),
    [
        ("B^Black", "2054-5"),
        ("1^White", "2106-3"),
        ("W", "2106-3"),
        ("AI^Indian^HL70005", "1002-5"),
        ("U", "UNK"),
        ("PI", "2076-8"),
    ],
)
def test_a_local_code_of_race_has_its_category(race, category):
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", f"{PID}||{race}{'|' * 12}NHL")
    race_told, ethnicity = the(found, "Patient")["extension"]
    assert race_told["extension"][0]["url"] == "ombCategory"
    assert race_told["extension"][0]["valueCoding"]["code"] == category
    assert ethnicity["extension"][0]["valueCoding"]["code"] == "2186-5"
    assert errors(found) == []


def test_a_code_that_means_this_here_and_that_there_waits_for_a_clinician():
    """Native Hawaiian to some, non-Hispanic to others, who write it into the wrong field."""
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", f"{PID}||NH")
    (race,) = the(found, "Patient")["extension"]
    assert [part["url"] for part in race["extension"]] == ["text"]
    assert {one.code for one in found.unmapped} == {"NH"}


def test_other_race_is_a_race_and_no_category():
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", f"{PID}||O^Other")
    assert [part["url"] for part in the(found, "Patient")["extension"][0]["extension"]] == [
        "detailed",
        "text",
    ]


def test_a_number_stands_for_its_words():
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", f"{PID}||3^Asian{'|' * 12}2^Not Hispanic")
    race, ethnicity = the(found, "Patient")["extension"]
    assert [
        race["extension"][0]["valueCoding"]["code"],
        ethnicity["extension"][0]["valueCoding"]["code"],
    ] == [
        "2028-9",
        "2186-5",
    ]

"""What the shared HL7 v2 maps make of a person: addresses, telephones, merges."""

from __future__ import annotations

import pytest

from exchange.model.errors import RecordRejected
from tests.content.mapping import errors, of_type, the
from tests.content.test_hl7v2_maps import PID, taken

A40 = r"MSH|^~\&|LHADT|LAKESIDE|||20261103142530-0600||ADT^A40|1|P|2.5.1"


def patient(fields: str):
    found = taken(A40.replace("A40", "A31"), f"{PID}|||{fields}")
    assert errors(found) == []
    return the(found, "Patient")


def test_the_extension_of_a_telephone_is_kept():
    (phone,) = patient("||^PRN^PH^^1^210^5550100^12")["telecom"]
    assert phone == {
        "system": "phone",
        "value": "+12105550100",
        "use": "home",
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/contactpoint-extension", "valueString": "12"}
        ],
    }


@pytest.mark.parametrize(
    ("code", "told"),
    [*((mail, {"type": "postal"}) for mail in ("M", "SH")), ("H", {"use": "home"}), ("", {})],
)
def test_an_address_for_mail_is_postal(code, told):
    (address,) = patient(f"1 Main St^^Peoria^IL^61604^^{code}")["address"]
    place = {"line": ["1 Main St"], "city": "Peoria", "state": "IL", "postalCode": "61604"}
    assert address == {**told, **place}


def test_nobody_is_merged_into_himself():
    with pytest.raises(RecordRejected, match="another patient"):
        taken(A40, PID, "MRG|7^^^LAKESIDE^MR")


def test_each_of_several_merges_of_a_message_is_about_its_own_persons():
    segments = ["PID|1||A^^^L||Doe^Ann", "MRG|B^^^L", "PID|2||C^^^L||Roe^Bea", "MRG|D^^^L"]
    found = taken(A40, *segments)
    patients = {each["identifier"][0]["value"]: each for each in of_type(found, "Patient")}
    ids = {value: each["id"] for value, each in patients.items()}
    assert {(merge.survivor, merge.loser) for merge in found.merges} == {
        (ids["A"], ids["B"]),
        (ids["C"], ids["D"]),
    }
    assert patients["D"]["link"][0]["other"] == {"reference": f"Patient/{ids['C']}"}
    assert patients["D"]["name"] == patients["C"]["name"]


A31 = A40.replace("A40", "A31")
KNOWN = ("DG1|1||I63.9^Stroke^I10|||A", "PR1|1||76164006^Biopsy^SCT||20260102")


def test_what_is_known_of_a_person_is_told_without_a_visit_too():
    found = taken(A31, PID, *KNOWN, "OBX|1|NM|8867-4^Heart rate^LN||60|/min^^UCUM|||||F")

    assert errors(found) == []
    assert the(found, "Condition")["code"]["coding"][0]["code"] == "I63.9"
    assert the(found, "Procedure")["code"]["coding"][0]["code"] == "76164006"
    assert the(found, "Observation")["valueQuantity"]["value"] == 60


def test_what_is_told_of_a_visit_again_does_not_replace_what_the_visit_said():
    visit = "PV1|1|I|||||||||||||||||V7^^^LAKESIDE"
    told, again = (taken(A31.replace("A31", event), PID, visit, *KNOWN) for event in ("A01", "A31"))

    made = {f"{kind}/{each['id']}" for kind in ("Condition", "Procedure") for each in of_type(told, kind)}
    assert not made & told.conditional
    assert again.conditional == made
    assert not {"diagnosis", "procedure"} & set(again.snapshots)


def test_a_mention_that_differs_is_told_with_its_place():
    found = taken(A31.replace("A31", "A01"), PID, "PV1|1|I|||||111^House^Greg|222^Cox^P~111^House^Gregory")

    (issue,) = [issue for issue in found.issues if issue.code == "duplicate"]
    assert (issue.expression, issue.position) == ("Practitioner.name", "sample PID of person 1 PV1-8[2]")

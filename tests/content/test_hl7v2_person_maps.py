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

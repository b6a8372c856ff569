"""Who took part (PRT), who worked for a laboratory (OBX-23 to 25), notes of an allergy, restrictions."""

from __future__ import annotations

from tests.content.mapping import of_type, the
from tests.content.test_hl7v2_order_maps import message

OBR = "OBR|1|P1^L|F1^L|2345-7^Glucose^LN|||20260301"
OBX = "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F"
LABORATORY = (
    f"{OBX}||||||||||||Bio Lab^L^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^14D0646470"
    "|1 Lab St^^Peoria^IL^61602^USA|99^House^Greg^^^Dr"
)


def prt(role, number, family):
    return f"PRT|1|UC||{role}^^HL70912|{number}^{family}^Ana"


def person(found, family):
    (one,) = [each for each in of_type(found, "Practitioner") if each["name"][0]["family"] == family]
    return {"reference": f"Practitioner/{one['id']}"}


def test_who_interpreted_a_report_and_who_observed_are_told_apart():
    found = message("ORU^R01", OBR, prt("PI", 1, "Strange"), OBX, prt("TN", 2, "Tek"), prt("SB", 3, "Send"))
    assert the(found, "DiagnosticReport")["resultsInterpreter"] == [person(found, "Strange")]
    assert person(found, "Tek") in the(found, "Observation")["performer"]
    assert person(found, "Send") not in the(found, "Observation")["performer"]


def test_an_order_whose_orderer_stands_in_prt_alone_has_a_requester_and_not_that_of_its_neighbour():
    found = message(
        "OML^O21", "ORC|NW|P1^L", prt("OP", 1, "Ord"), "OBR|1|P1^L||2345-7^Glucose^LN", "ORC|NW|P2^L",
        "OBR|2|P2^L||24323-8^Panel^LN",
    )  # fmt: skip
    first, second = of_type(found, "ServiceRequest")
    assert first["requester"] == person(found, "Ord")
    assert "requester" not in second


def test_a_dose_keeps_route_and_number_around_participants_and_timing():
    found = message(
        "VXU^V04", "ORC|RE||D1^R", prt("OP", 1, "Ord"), "TQ1|1",
        "RXA|0|1|20260101||08^HepB^CVX|0.5|mL^mL^UCUM",
        prt("AP", 2, "Giver"), "RXR|IM^^HL70162", "OBX|1|CE|64994-7^elig^LN|1|V01^no^HL70064||||||F",
    )  # fmt: skip
    dose = the(found, "Immunization")
    assert dose["identifier"][0]["value"] == "D1"
    assert dose["route"]["coding"][0]["code"] == "IM"
    assert dose["programEligibility"]
    assert [(each["function"]["coding"][0]["code"], each["actor"]) for each in dose["performer"]] == [
        ("OP", person(found, "Ord")), ("AP", person(found, "Giver")),
    ]  # fmt: skip


def test_the_address_and_the_director_of_the_performing_laboratory_stand_with_it():
    found = message("ORU^R01", OBR, LABORATORY)
    laboratory = the(found, "Organization")
    assert laboratory["identifier"] == [{"system": "urn:oid:2.16.840.1.113883.4.7", "value": "14D0646470"}]
    assert (laboratory["name"], laboratory["address"][0]["city"]) == ("Bio Lab", "Peoria")
    assert laboratory["contact"] == [
        {
            "purpose": {"text": "medical director"},
            "name": {"family": "House", "given": ["Greg"], "prefix": ["Dr"]},
        }
    ]
    assert the(found, "Observation")["performer"] == [{"reference": f"Organization/{laboratory['id']}"}]


def test_a_laboratory_known_by_name_alone_is_no_organization():
    found = message("ORU^R01", OBR, f"{OBX}||||||||||||Bio Lab")
    assert of_type(found, "Organization") == []
    assert the(found, "Observation")["performer"] == [{"type": "Organization", "display": "Bio Lab"}]


def test_notes_and_reactions_after_an_allergy_are_its_own():
    found = message(
        "ADT^A60", "IAM|1|DA|7980^Penicillin^RXNORM|SV|Rash|A|I1^LH", "NTE|1||seen twice", "IAR|H^Hives^L|MO",
        "IAM|2|FA|^Nuts|MO||A|I2^LH",
    )  # fmt: skip
    penicillin, nuts = of_type(found, "AllergyIntolerance")
    assert penicillin["note"] == [{"text": "seen twice"}]
    assert [(each["manifestation"][0]["text"], each["severity"]) for each in penicillin["reaction"]] == [
        ("Rash", "severe"), ("Hives", "moderate"),
    ]  # fmt: skip
    assert "note" not in nuts
    assert "reaction" not in nuts


def test_what_a_restriction_says_in_words_is_kept_under_its_label():
    flag = the(message("ADT^A31", "ARV|1|A|V|DIA|Diagnosis is not shared|20260301"), "Flag")
    assert flag["code"] == {"text": "Diagnosis is not shared"}
    assert flag["status"] == "active"
    assert flag["meta"]["security"][0]["code"] == "V"

"""What the shared HL7 v2 maps say, and where they correct the published ones."""

from __future__ import annotations

import random
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.formats.hl7v2_batch import messages
from exchange.mapping import trace_record
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped, SourceRecord
from tests.content.mapping import ROOT, codes, errors, id_in, mapped, maps_of, of_type, the

PID = "PID|1||7^^^LAKESIDE^MR||Doe^Ann||19710412|F"


def adt(event: str, visit: str = "", *more: str) -> Mapped:
    header = rf"MSH|^~\&|LHADT|LAKESIDE|||20261103142530-0600||ADT^{event}|1|P|2.5.1"
    return taken(header, PID, visit or pv1(), *more)


def taken(*segments: str, partner: str = "lakeside_hospital", feed: str = "messages") -> Mapped:
    return mapped(partner, feed, "\r".join(segments).encode())


def pv1(patient_class: str = "I", discharge: str = "") -> str:
    fields = {2: patient_class, 3: "4W^412^A^LAKESIDE", 19: "V1^^^LAKESIDE^VN", 44: "20261103", 45: discharge}
    return "PV1|" + "|".join(fields.get(number, "") for number in range(1, 46))


def result(*obx: str, order: str = "OBR|1||F1^LHLAB|2345-7^Glucose^LN|||20261103") -> Mapped:
    header = r"MSH|^~\&|LHLAB|LAKESIDE|||20261103142530-0600||ORU^R01|1|P|2.5.1"
    return taken(header, PID, order, *obx)


def observation(obx: str) -> dict:
    found = result(obx)
    assert errors(found) == []
    return the(found, "Observation")


@pytest.mark.parametrize(
    ("event", "patient_class", "discharge", "status"),
    [
        ("A01", "I", "", "in-progress"),
        ("A02", "I", "", "in-progress"),
        ("A03", "I", "20261105", "finished"),
        ("A04", "E", "", "in-progress"),
        ("A04", "E", "20261103", "finished"),
        ("A05", "P", "", "planned"),
        ("A08", "I", "", "in-progress"),
        ("A08", "I", "20261105", "finished"),
        ("A08", "P", "", "planned"),
        ("A11", "I", "", "cancelled"),
        ("A13", "I", "20261105", "in-progress"),
    ],
)
def test_the_status_of_a_visit_follows_from_the_event_and_the_visit_itself(
    event, patient_class, discharge, status
):
    assert the(adt(event, pv1(patient_class, discharge)), "Encounter")["status"] == status


def test_a_cancelled_discharge_takes_the_end_back():
    assert the(adt("A13", pv1("I", "20261105")), "Encounter")["period"] == {"start": "2026-11-03"}


def test_a_message_about_the_person_alone_makes_no_visit():
    assert of_type(adt("A31"), "Encounter") == []
    assert of_type(adt("A08", "PV1|1|N"), "Encounter") == []


def test_a_diagnosis_belongs_to_its_visit_and_a_deleted_one_was_an_error():
    deleted = adt("A08", "", "DG1|1||E11.9^Diabetes^I10C||20261103|F" + "|" * 15 + "D")
    condition = the(deleted, "Condition")
    assert errors(deleted) == []
    assert codes(condition["verificationStatus"]) == ["entered-in-error"]
    assert "clinicalStatus" not in condition
    assert condition["id"] == id_in("lakeside_hospital", "Condition", "V1|E11.9")
    assert codes(condition["category"][0]) == ["encounter-diagnosis"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *[("F", "final"), ("C", "corrected"), ("P", "preliminary"), ("R", "preliminary"), ("B", "amended")],
        *[("I", "registered"), ("O", "registered"), ("S", "registered"), ("U", "final"), ("V", "final")],
        *[("X", "cancelled"), ("D", "entered-in-error"), ("W", "entered-in-error"), ("", "unknown")],
    ],
)
def test_every_result_status_has_a_meaning(code, status):
    assert observation(f"OBX|1|NM|2345-7^Glucose^LN||5|mg/dL|||||{code}")["status"] == status


def test_a_result_not_asked_for_makes_no_observation():
    found = result("OBX|1|NM|2345-7^Glucose^LN||5||||||N")
    assert of_type(found, "Observation") == []
    assert "result" not in the(found, "DiagnosticReport")


def test_a_correction_has_the_id_of_what_it_corrects_whatever_it_says():
    first = result("OBX|1|NM|2345-7^Glucose^LN||5|mg/dL|||||F")
    second = result("OBX|9|NM|2345-7^GLUC^LN||6|mmol/L|||||C", order="OBR|1||F1^LHLAB|2345-7^G^LN|||2027")
    assert the(first, "Observation")["id"] == the(second, "Observation")["id"]
    assert the(first, "Observation")["id"] == id_in("lakeside_hospital", "Observation", "LHLAB|F1|2345-7")


@pytest.mark.parametrize(
    ("obx", "element", "value"),
    [
        ("OBX|1|NM|1^x||1.50|%|||||F", "valueQuantity", {"value": 1.5, "code": "%"}),
        ("OBX|1|NM|1^x||<0.2|mg/dL^^UCUM|||||F", "valueQuantity", {"value": 0.2, "comparator": "<"}),
        ("OBX|1|SN|1^x||>=^60|mg/dL|||||F", "valueQuantity", {"value": 60, "comparator": ">="}),
        ("OBX|1|SN|1^x||^70^-^99||||||F", "valueRange", {"low": {"value": 70}, "high": {"value": 99}}),
        ("OBX|1|SN|1^x||^1^:^128||||||F", "valueRatio", {"denominator": {"value": 128}}),
        ("OBX|1|CE|1^x||260373001^Detected^SCT||||||F", "valueCodeableConcept", {"text": "Detected"}),
    ],
)
def test_a_value_is_of_the_type_it_was_sent_as(obx, element, value):
    assert value.items() <= observation(obx)[element].items()


@pytest.mark.parametrize(
    ("obx", "element", "value"),
    [
        ("OBX|1|NM|1^x||hemolyzed||||||F", "valueString", "hemolyzed"),
        ("OBX|1|ST|1^x||a^b&c||||||F", "valueString", "a^b&c"),
        ("OBX|1|TM|1^x||0930||||||F", "valueTime", "09:30:00"),
        ("OBX|1|DT|1^x||20261103||||||F", "valueDateTime", "2026-11-03"),
    ],
)
def test_a_plain_value_is_kept_as_it_was_sent(obx, element, value):
    assert observation(obx)[element] == value


def test_a_result_without_a_value_says_why():
    assert codes(observation("OBX|1|NM|1^x||||||||X")["dataAbsentReason"]) == ["not-performed"]


def test_race_and_ethnicity_are_us_core_extensions_and_the_ssn_has_its_true_system():
    race_field, ethnic_field = "2106-3^White^CDCREC~2131-1^Other^CDCREC", "2186-5^Not Hispanic^CDCREC"
    pid = f"{PID}||{race_field}{'|' * 9}900112233|||{ethnic_field}"
    patient = the(taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", pid), "Patient")
    race, ethnicity = patient["extension"]
    assert [part["url"] for part in race["extension"]] == ["ombCategory", "detailed", "text"]
    assert ethnicity["extension"][0]["valueCoding"]["code"] == "2186-5"
    assert patient["identifier"][1]["system"] == "http://hl7.org/fhir/sid/us-ssn"
    assert patient["identifier"][1]["value"] == "900-11-2233"


@pytest.mark.parametrize(
    ("race", "ethnicity", "codes"),
    [
        ("ASIAN", "not HISPANIC", ["2028-9", "2186-5"]),
        ("White", "Hispanic or Latino", ["2106-3", "2135-2"]),
        ("^Black", "H", ["2054-5", "2135-2"]),
        ("Martian", "", []),
        ("3^Asian or Pacific Islander", "", []),
    ],
)
def test_race_and_ethnicity_in_words_are_the_categories_they_name(race, ethnicity, codes):
    found = taken(r"MSH|^~\&|A|B|||2026||ADT^A28|1|P|2.5.1", f"{PID}||{race}{'|' * 12}{ethnicity}")
    parts = [part for outer in the(found, "Patient")["extension"] for part in outer["extension"]]
    assert [part["valueCoding"]["code"] for part in parts if part["url"] == "ombCategory"] == codes
    assert "text" in [part["url"] for part in parts]
    assert errors(found) == []
    # Of a word that stands for two categories somebody looked, and there is none.
    assert {issue.code for issue in found.issues} == ({"code-invalid"} if race == "Martian" else set())


def test_a_diagnosis_without_a_visit_is_kept():
    header = r"MSH|^~\&|LHADT|LAKESIDE|||20261103142530-0600||ADT^A01|1|P|2.5.1"
    found = taken(header, PID, "DG1|1||I10^Hypertension^I10")
    assert codes(the(found, "Condition")["code"]) == ["I10"]
    assert "encounter" not in the(found, "Condition")
    assert errors(found) == []


def test_results_without_an_order_are_refused_and_not_dropped():
    with pytest.raises(RecordRejected, match="OBR-4"):
        taken(r"MSH|^~\&|A|B|||2026||ORU^R01|1|P|2.5.1", PID, "OBX|1|NM|2345-7^Glucose^LN||98|mg/dL")


def test_an_explicit_null_is_no_value():
    found = adt("A31").resources[0]
    nulled = taken(r"MSH|^~\&|A|B|||2026||ADT^A31|1|P|2.5.1", PID + '|""||""||""')
    assert nulled.resources[0] == found


def test_a_message_type_without_a_map_is_named():
    with pytest.raises(RecordRejected, match=r"message type ADT\^A17 is not mapped"):
        adt("A17")


_LINES = st.lists(st.text(alphabet=r"|^~&\"X1.:-{}[]Ї ", max_size=60), max_size=6)
_SEGMENTS = (
    "PID",
    "PV1",
    "DG1",
    "AL1",
    "NK1",
    "OBR",
    "OBX",
    "NTE",
    "ORC",
    "RXA",
    "MRG",
    "IAM",
    "IN1",
    "IN2",
    "GT1",
    "PR1",
    "ROL",
    "PRT",
    "PD1",
    "PV2",
)
_NAMES = st.lists(st.sampled_from(_SEGMENTS), max_size=6)


@settings(max_examples=60)
@given(
    names=_NAMES,
    lines=_LINES,
    event=st.sampled_from(["ADT^A01", "ADT^A40", "ORU^R01", "VXU^V04", "ORM^O01", "SIU^S12", "MDM^T02", "X"]),
)
def test_no_message_makes_the_maps_crash(names, lines, event):
    body = [f"{name}|{line}" for name, line in zip(names, lines, strict=False)]
    with suppress(RecordRejected):
        assert taken(rf"MSH|^~\&|A|B|||2026||{event}|1|P|2.5.1", PID, *body).resources


def registration(*segments: str) -> Mapped:
    found = adt("A04", pv1("O"), *segments)
    assert errors(found) == []
    return found


def test_each_coverage_is_paid_by_its_own_payer_and_an_unnamed_payer_is_said_to_be_unknown():
    found = registration(
        "IN1|1|HMO^Plan|P1^^^NAIC|First Health||||||||||||Doe^Ann|SEL",
        "IN1|2|PPO^Plan||Second Health||||||||||||Doe^Paul|SPO",
        "IN1|3|SELFPAY",
    )
    payers = {payer["name"]: f"Organization/{payer['id']}" for payer in of_type(found, "Organization")}
    first, second, third = of_type(found, "Coverage")
    assert [item["reference"] for item in first["payor"]] == [payers["First Health"]]
    assert [item["reference"] for item in second["payor"]] == [payers["Second Health"]]
    assert third["payor"][0]["extension"][0]["valueCode"] == "unknown"
    assert first["subscriber"]["reference"] == f"Patient/{the(found, 'Patient')['id']}"
    assert second["subscriber"]["reference"] == f"RelatedPerson/{the(found, 'RelatedPerson')['id']}"


@pytest.mark.parametrize(
    ("status", "clinical", "verification"),
    [
        ("", "active", "unconfirmed"),
        ("C", "active", "confirmed"),
        ("I", "inactive", "confirmed"),
        ("E", None, "entered-in-error"),
    ],
)
def test_the_status_of_an_adverse_reaction_is_what_iam_says(status, clinical, verification):
    found = registration(f"IAM|1|DA^Drug|7980^Penicillin^RXNORM|SV|Rash|A|I1^LHADT||||||||||{status}")
    allergy = the(found, "AllergyIntolerance")
    assert [codes(allergy["clinicalStatus"])[0] if "clinicalStatus" in allergy else None] == [clinical]
    assert codes(allergy["verificationStatus"]) == [verification, *([status] if status else [])]


def test_a_procedure_names_who_did_what_and_says_when_the_time_is_unknown():
    found = registration("PR1|1||70450^CT head^C4|||||||| 12^Osei^Miriam", "PR1|2|||Wound cleaned|20261104")
    scan, wound = of_type(found, "Procedure")
    assert scan["_performedDateTime"]["extension"][0]["valueCode"] == "unknown"
    assert codes(scan["performer"][0]["function"]) == ["304292004"]
    assert (wound["code"], wound["performedDateTime"]) == ({"text": "Wound cleaned"}, "2026-11-04")


def test_a_relative_is_a_person_of_its_own_and_a_contact_of_the_patient():
    found = registration("NK1|1|Doe^Grace|MTH^Mother^HL70063||(217)555-0100")
    assert codes(the(found, "RelatedPerson")["relationship"][0]) == ["MTH", "MTH"]
    assert the(found, "Patient")["contact"][0]["name"]["family"] == "Doe"


@pytest.mark.parametrize(
    ("segment", "types", "code"),
    [
        ("PV1||I||||||||||||||HIV|||V1", ["Encounter"], "HIV"),
        ("PV1||I||||||||||||||VIP|||V1", ["Encounter"], "VIP"),
        ("ARV|1|A|PSY", ["Patient"], "PSY"),
        ("ARV|1|A|DRG", ["Patient"], "ETH"),
    ],
)
def test_a_restriction_the_sender_states_reaches_the_labels(segment, types, code):
    found = adt("A01", segment if segment.startswith("PV1") else "", segment)
    labelled = {r["resourceType"]: r["meta"]["security"] for r in found.resources if "security" in r["meta"]}
    for kind in types:
        assert labelled[kind] == [{"system": TABLE_0177, "code": code}]


TABLE_0069 = "http://terminology.hl7.org/CodeSystem/v2-0069"
TABLE_0177 = "http://terminology.hl7.org/CodeSystem/v2-0177"


def test_a_result_names_its_specimen():
    found = result("OBX|1|NM|2345-7^Glucose^LN||98|mg/dL", "SPM|1|S1&LHLAB||122555007^Blood^SCT")
    assert the(found, "Observation")["specimen"]["reference"] == f"Specimen/{the(found, 'Specimen')['id']}"
    assert the(found, "DiagnosticReport")["specimen"] == [the(found, "Observation")["specimen"]]


def test_a_visit_without_a_number_is_known_by_when_the_person_came():
    first, again, later = (
        the(adt("A04", f"PV1||O{42 * '|'}{arrival}"), "Encounter")["id"]
        for arrival in ("20261103", "20261103", "20261104")
    )
    assert first == again != later


SAMPLES = sorted((ROOT / "lakeside_hospital/samples/messages").glob("*.hl7"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_damaged_message_is_mapped_or_refused_but_never_crashes(sample):
    chance = random.Random(7)
    for _, message in messages(sample.read_bytes()):
        for _ in range(12):
            with suppress(RecordRejected):
                assert mapped("lakeside_hospital", "messages", damaged(message, chance)).resources


def damaged(message: bytes, chance: random.Random) -> bytes:
    """Cut short, written with other delimiters, segments shuffled or bytes overwritten."""
    kind = chance.randrange(4)
    if kind == 0:
        return message[: chance.randrange(len(message))]
    if kind == 1:
        return message.translate(bytes.maketrans(b"|^~&", bytes(chance.sample(b"#$%*!+;@", 4))))
    if kind == 2:
        head, *rest = re.split(rb"[\r\n]+", message)
        chance.shuffle(rest)
        return b"\r".join([head, *rest, *rest])
    body = bytearray(message)
    for _ in range(8):
        body[chance.randrange(len(body))] = chance.choice(b'|^~&\\"\r0X.\xff')
    return bytes(body)


def test_a_code_that_hl7s_table_does_not_list_is_one_of_the_senders():
    known, own = "MED", "EM"
    for code, system in ((known, TABLE_0069), (own, "https://lakeside-hospital.example/codes/0069")):
        visit = pv1("I").split("|")
        visit[10] = code
        service = the(adt("A01", "|".join(visit)), "Encounter")["serviceType"]
        assert service["coding"] == [{"system": system, "code": code}]


def test_a_report_of_another_department_is_no_laboratory_report():
    fields = {1: "1", 3: "F1^LHRAD", 4: "71046^Chest X-ray^C4", 7: "20261103", 24: "RAD"}
    order = "OBR|" + "|".join(fields.get(number, "") for number in range(1, 25))
    found = result("OBX|1|TX|71046^Chest^C4||Clear||||||F", order=order)
    assert errors(found) == []
    assert codes(the(found, "DiagnosticReport")["category"][0]) == ["RAD"]
    assert codes(the(found, "Observation")["category"][0]) == ["imaging"]
    assert the(found, "Observation")["meta"]["profile"][0].endswith("us-core-observation-clinical-result")


def test_a_unit_is_ucums_only_where_it_is_one():
    good = observation("OBX|1|NM|1^x||5|10*3/uL^^UCUM|||||F")["valueQuantity"]
    bad = observation("OBX|1|NM|1^x||5|thousands^^UCUM|||||F")["valueQuantity"]
    assert (good["code"], good["system"]) == ("10*3/uL", "http://unitsofmeasure.org")
    assert bad == {"value": 5, "unit": "thousands"}


def test_the_lineage_of_a_component_names_its_field_and_repetition():
    maps = maps_of("lakeside_hospital")
    pid = "PID|1||L7^^^LAKESIDE^MR~X9^^^STATE^SS||Doe^Ann||19710412|F"
    text = "\r".join([r"MSH|^~\&|A|B|||2026||ADT^A31|1|P|2.5.1", pid])
    record = SourceRecord("lakeside_hospital", "messages", "k", "hl7v2", text.encode(), "1.hl7", False)

    found = {(element, position) for element, position, _, _ in trace_record(record, maps)}

    assert ("Patient.identifier(CX).value", "1.hl7 PID of person 1 PID-3[1].1") in found
    assert ("Patient.identifier(CX).value", "1.hl7 PID of person 1 PID-3[2].1") in found
    assert ("Patient.name(XPN).family", "1.hl7 PID of person 1 PID-5.1") in found
    assert ("Patient.birthDate", "1.hl7 PID of person 1 PID-7") in found


def test_the_lineage_tells_of_each_of_two_equal_repetitions():
    pid = "PID|1||L7^^^LAKESIDE^MR~L7^^^LAKESIDE^MR||Doe^Ann||19710412|F"
    text = "\r".join([r"MSH|^~\&|A|B|||2026||ADT^A31|1|P|2.5.1", pid])
    record = SourceRecord("lakeside_hospital", "messages", "k", "hl7v2", text.encode(), "1.hl7", False)

    found = {position for element, position, _, _ in trace_record(record, maps_of("lakeside_hospital"))}

    assert {f"1.hl7 PID of person 1 PID-3[{number}].1" for number in (1, 2)} <= found


@pytest.mark.parametrize(
    ("financial_class", "kept"),
    [("SELF PAY", True), ("self", True), ("81^Self-pay", True), ("BCBS", False), ("", False)],
)
def test_what_the_patient_pays_is_labelled_where_the_hospital_says_so(financial_class, kept):
    fields = {2: "I", 19: "V1^^^LAKESIDE^VN", 20: financial_class, 44: "20261103"}
    visit = "PV1|" + "|".join(fields.get(number, "") for number in range(1, 46))
    security = (
        the(adt("A01", visit, "DG1|1||Z23^Immunization^I10"), "Encounter").get("meta", {}).get("security", [])
    )
    assert ("HIPAASelfPay" in [label["code"] for label in security]) is kept

"""What the shared HL7 v2 maps make of orders, reports, appointments and documents."""

from __future__ import annotations

import pytest

from exchange.model.records import Mapped
from tests.content.mapping import errors, of_type, the
from tests.content.test_hl7v2_maps import PID, TABLE_0177, result, taken


def message(kind: str, *segments: str) -> Mapped:
    found = taken(rf"MSH|^~\&|LH|LAKESIDE|||20261103142530-0600||{kind}|1|P|2.5.1", PID, *segments)
    assert errors(found) == []
    return found


def test_what_stands_between_orc_and_obr_belongs_to_that_order_alone():
    found = message(
        "OML^O21",
        "ORC|NW|P1^LHORD",
        "TQ1|1||||||20261106083000||S",
        "OBR|1|P1^LHORD||77307-7^Lead^LN",
        "SPM|1|S1&LHORD||122555007^Blood^SCT",
        "ORC|NW|P2^LHORD",
        "OBR|2|P2^LHORD||24323-8^Panel^LN",
    )
    lead, panel = of_type(found, "ServiceRequest")
    assert (lead["priority"], lead["occurrenceDateTime"]) == ("stat", "2026-11-06T08:30:00-06:00")
    assert lead["specimen"] == [{"reference": f"Specimen/{the(found, 'Specimen')['id']}"}]
    assert not {"priority", "occurrenceDateTime", "specimen"} & set(panel)


def test_a_medicine_and_a_test_ordered_in_one_message_stay_apart():
    found = message(
        "ORM^O01",
        "ORC|NW|P1^LHORD",
        "RXO|308182^Amoxicillin^RXNORM|1||1^capsule",
        "NTE|1||With food",
        "ORC|OK|P2^LHORD",
        "OBR|1|P2^LHORD||24323-8^Panel^LN",
    )
    assert the(found, "MedicationRequest")["note"] == [{"text": "With food"}]
    assert "note" not in the(found, "ServiceRequest")


def test_a_report_without_results_does_not_take_those_of_its_neighbour():
    found = result("OBX|1|NM|2345-7^Glucose^LN||98|mg/dL", "OBR|2||F2^LHLAB|24323-8^Panel^LN|||20261103")
    assert ["result" in report for report in of_type(found, "DiagnosticReport")] == [True, False]
    assert len(of_type(found, "Observation")) == 1


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ("NW", "active"),
        ("CA", "revoked"),
        ("HD", "on-hold"),
        ("XX|P1|||CM", "completed"),
        ("ZZ", "unknown"),
        ("SC|P1|||SC", "active"),
        ("CA|P1|||SC", "revoked"),
        *((f"{ends}|P1|||IP", "revoked") for ends in ("DC", "OC", "CR", "OD", "DR")),
        ("CA|P1|||CM", "completed"),
    ],
)
def test_the_state_of_an_order_is_its_status_or_what_its_control_code_does(order, status):
    segment = order if "|" in order else f"{order}|P1"
    found = message("ORM^O01", f"ORC|{segment}", "OBR|1|P1||24323-8^Panel^LN")
    assert the(found, "ServiceRequest")["status"] == status


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ("NW", "active"),
        ("CA", "cancelled"),
        ("CA|P1|||SC", "cancelled"),
        ("DC|P1|||IP", "stopped"),
        ("SC|P1|||IP", "active"),
        ("DC|P1|||CM", "completed"),
        ("ZZ", "unknown"),
    ],
)
def test_a_prescription_that_is_discontinued_is_stopped_whatever_state_it_had_before(order, status):
    segment = order if "|" in order else f"{order}|P1"
    found = message("ORM^O01", f"ORC|{segment}", "RXO|308189^Amoxicillin^RXNORM")
    assert the(found, "MedicationRequest")["status"] == status


@pytest.mark.parametrize(
    ("event", "told", "time", "status"),
    [
        ("S12", "", "20261120090000", "booked"),
        ("S14", "Complete", "20261120090000", "fulfilled"),
        ("S15", "", "20261120090000", "cancelled"),
        ("S17", "", "20261120090000", "entered-in-error"),
        ("S26", "", "20261120090000", "noshow"),
        ("S12", "", "", "proposed"),
        ("S26", "", "", "cancelled"),
    ],
)
def test_the_state_of_an_appointment_follows_the_scheduler_then_the_event(event, told, time, status):
    sch = {1: "A1^LHSCH", 2: "F1^LHSCH", 9: "45", 10: "min", 11: f"^^^{time}" if time else "", 25: told}
    found = message(f"SIU^{event}", "SCH|" + "|".join(sch.get(number, "") for number in range(1, 26)))
    appointment = the(found, "Appointment")
    assert appointment["status"] == status
    assert appointment.get("end") == ("2026-11-20T09:45:00-06:00" if time else None)


@pytest.mark.parametrize(
    ("event", "completion", "status", "state", "relation"),
    [
        ("T02", "AU", "current", "final", None),
        ("T02", "DI", "current", "preliminary", None),
        ("T06", "AU", "current", "amended", "appends"),
        ("T10", "AU", "current", "final", "replaces"),
        ("T11", "CA", "entered-in-error", "entered-in-error", None),
    ],
)
def test_a_document_says_what_became_of_it_and_of_its_parent(event, completion, status, state, relation):
    txa = {1: "1", 2: "DS", 6: "20261105", 12: "D2^LHDOC", 13: "D1^LHDOC", 17: completion, 18: "PSY"}
    segment = "TXA|" + "|".join(txa.get(number, "") for number in range(1, 19))
    document = the(message(f"MDM^{event}", segment, "OBX|1|TX|1^Note||Hello"), "DocumentReference")
    assert (document["status"], document["docStatus"]) == (status, state)
    assert [item["code"] for item in document.get("relatesTo", [])] == ([relation] if relation else [])
    assert document["meta"]["security"] == [{"system": TABLE_0177, "code": "PSY"}]
    assert document["content"][0]["attachment"]["data"] == "SGVsbG8="


def test_a_consent_segment_is_kept_and_permits_nothing():
    found = message(
        "MDM^T02", "TXA|1|CN||||||||||D1", "CON|1|HIPAA^Notice|||Form|I have read it.|||||A||20261103"
    )
    assert of_type(found, "Consent") == []
    assert "it changes no permission" in " ".join(issue.detail for issue in found.issues)


def test_who_read_an_examination_is_told_from_the_subcomponents_of_its_name():
    order = "OBR|1||F1^LHLAB|71250^Chest^C4|||20261103" + "|" * 25 + "1002&Reader&Rachel&A&MD&DR"
    found = result("OBX|1|NM|2345-7^Glucose^LN||98|mg/dL", order=order)
    reader = the(found, "Practitioner")
    assert the(found, "DiagnosticReport")["resultsInterpreter"] == [
        {"reference": f"Practitioner/{reader['id']}"}
    ]
    assert reader["identifier"][0]["value"] == "1002"
    assert reader["name"] == [
        {"family": "Reader", "given": ["Rachel", "A"], "prefix": ["DR"], "suffix": ["MD"]}
    ]


def test_equipment_that_is_scheduled_is_known_by_its_number():
    equipment = ("RGS|1", "AIG|1|A|5001^Colonoscope^L")
    found = message("SIU^S12", "SCH|A1|F1||||||||45|min|^^^20261120090000", *equipment)

    actor = the(found, "Appointment")["participant"][-1]["actor"]
    assert (actor["identifier"]["value"], actor["display"]) == ("5001", "Colonoscope")
    assert errors(found) == []

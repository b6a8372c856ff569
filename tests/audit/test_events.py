"""AuditEvents follow the published patterns and are valid FHIR."""

from __future__ import annotations

from base64 import b64decode

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from exchange.audit import Disclosed, denied_entry, query_entries, read_entry, token_entry

PATIENT = "00000000-0000-4000-8000-000000000001"


def codes(event):
    return [agent["type"]["coding"][0]["code"] for agent in event["agent"]]


def entity(event, code):
    return next(e for e in event["entity"] if e.get("role", {}).get("code") == code)


@pytest.fixture
def every_kind(requester, circumstances):
    shown = Disclosed(PATIENT, ("Condition/1",), ("own-contributions",))
    return [
        read_entry(requester, circumstances, "Condition/7", shown),
        read_entry(requester, circumstances, "Organization/7", Disclosed(None)),
        *query_entries(requester, circumstances, "Condition?code=x", [shown]),
        *query_entries(requester, circumstances, "Patient/1/$everything", [shown], operation=True),
        denied_entry(requester, circumstances, "Condition?code=x", "scope"),
        token_entry("token.issued", requester, circumstances, "scope=system/*.rs"),
        token_entry("token.refused", None, circumstances, "scope=system/*.rs", "unknown client"),
    ]


def test_every_event_is_a_valid_auditevent(every_kind):
    for entry in every_kind:
        assert AuditEvent.model_validate(entry.event).id is None


def test_a_read_names_the_resource_the_patient_the_purpose_and_the_token(requester, circumstances):
    entry = read_entry(requester, circumstances, "Condition/7", Disclosed(PATIENT))
    event = entry.event
    assert event["meta"]["profile"][0].endswith("IHE.BasicAudit.PatientRead")
    assert (event["action"], codes(event)) == ("R", ["110152", "110153", "IRCP"])
    assert entity(event, "4")["what"]["reference"] == "Condition/7"
    assert entity(event, "1")["what"]["reference"] == f"Patient/{PATIENT}"
    assert event["agent"][0]["policy"] == ["urn:ietf:params:oauth:jti:5c9f"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert entry.patient == PATIENT


def test_a_read_about_nobody_names_no_patient(requester, circumstances):
    entry = read_entry(requester, circumstances, "Organization/7", Disclosed(None))
    assert entry.event["meta"]["profile"][0].endswith("IHE.BasicAudit.Read")
    assert entry.patient is None


def test_a_query_is_recorded_once_for_each_patient_as_it_was_asked(requester, circumstances):
    shown = [Disclosed(PATIENT, ("Condition/1",)), Disclosed(PATIENT[:-1] + "2", ("Observation/2",))]
    entries = query_entries(requester, circumstances, "Condition?code=a%7Cb", shown)
    assert [entry.patient for entry in entries] == [PATIENT, PATIENT[:-1] + "2"]
    assert codes(entries[0].event) == ["110153", "110152", "IRCP"]
    assert b64decode(entity(entries[0].event, "24")["query"]) == b"Condition?code=a%7Cb"


def test_a_query_that_finds_nobody_is_recorded_once_without_a_patient(requester, circumstances):
    (entry,) = query_entries(requester, circumstances, "Condition?code=x", [])
    assert entry.event["meta"]["profile"][0].endswith("IHE.BasicAudit.Query")
    assert entry.patient is None


def test_the_rules_that_let_the_data_out_stand_with_the_server(requester, circumstances):
    (entry,) = query_entries(requester, circumstances, "q", [Disclosed(PATIENT, (), ("tpo", "part2"))])
    assert entry.event["agent"][1]["policy"] == ["urn:mosaic:rule:tpo", "urn:mosaic:rule:part2"]


def test_a_refused_token_is_a_failure_and_names_no_client_that_is_not_known(circumstances):
    event = token_entry("token.refused", None, circumstances, "scope=x", "unknown client").event
    assert (event["outcome"], event["outcomeDesc"]) == ("8", "unknown client")
    assert event["agent"][0]["who"] == {"display": "unknown client"}


def test_a_denial_keeps_the_request_and_holds_no_patient(requester, circumstances):
    entry = denied_entry(requester, circumstances, "Condition/7", "not found", serious=False)
    assert entry.event["outcome"] == "4"
    assert entry.patient is None


def test_events_of_officers_and_consents_are_fhir(at, patients):
    from exchange.audit import consent_entries, officer_entries

    for entry in (
        *officer_entries("log.read", "anna", "disclosures of a person", patients[:1], at),
        *officer_entries("recall.opened", "anna", "withdrawn", [], at),
        *consent_entries("prairie_clinic", [(f"Consent/{patients[0]}", patients[1])], at),
    ):
        AuditEvent.model_validate(entry.event)

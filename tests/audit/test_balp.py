"""Whatever says it follows a pattern of IHE BALP follows it, as the published profiles ask.

Facts of the profiles in https://github.com/IHE/ITI.BasicAudit (input/fsh), written down by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from exchange.audit import (
    Disclosed,
    Sending,
    consent_entries,
    denied_entry,
    disclosure_entries,
    officer_entries,
    query_entries,
    read_entry,
    sign_in_entry,
    steward_entries,
    token_entry,
    view_entries,
)
from exchange.audit.care import care_entries

CANONICAL = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
XREQUEST = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
SEARCHES = {"search", "search-type", "search-system"}


@dataclass(frozen=True)
class Pattern:
    """`client`, `server`: DICOM roles; `data`: roles of a system object; `patient`: there is one, or none."""

    type: str
    subtypes: frozenset[str]
    action: str
    client: str
    server: str
    data: frozenset[str]
    patient: bool


def _pattern(type_, subtypes, action, client, server, data, patient):
    return Pattern(type_, frozenset(subtypes), action, client, server, frozenset(data), patient)


OBJECTS = {"3", "4", "20"}
PATTERNS = {
    "Read": _pattern("rest", {"read", "vread"}, "R", "110152", "110153", OBJECTS, False),
    "PatientRead": _pattern("rest", {"read", "vread"}, "R", "110152", "110153", OBJECTS, True),
    "Query": _pattern("rest", SEARCHES, "E", "110153", "110152", {"24"}, False),
    "PatientQuery": _pattern("rest", SEARCHES, "E", "110153", "110152", {"24"}, True),
    "Update": _pattern("rest", {"update", "patch"}, "U", "110153", "110152", OBJECTS, False),
    "PatientUpdate": _pattern("rest", {"update", "patch"}, "U", "110153", "110152", OBJECTS, True),
    "PrivacyDisclosure.Source": _pattern("110106", {"disclose"}, "R", "110153", "110152", (), True),
}


@pytest.fixture
def everything(requester, circumstances, patients, at):
    """One of each kind that is written, about somebody and about nobody."""
    who, how, one = requester, circumstances, patients[0]
    shown = [Disclosed(one, ("Condition/1", "Condition/2"), ("tpo",)), Disclosed(None)]
    sent = Sending("5b1c", "rest_hook", ("Consent/1/_history/2",))
    fetched = Sending("5b1c", "file", kind="export", request="GET /fhir/$export-file/1")
    return [
        *(read_entry(who, how, "Condition/7", part, code) for part in shown for code in ("read", "vread")),
        *query_entries(who, how, "Condition?code=x", shown),
        *query_entries(who, how, "Patient/1/$everything", shown, operation=True),
        *query_entries(who, how, "Condition/1/_history", shown, interaction="history-instance"),
        *disclosure_entries(who, how, sent, shown),
        *disclosure_entries(who, how, fetched, shown),
        *consent_entries("elm", [("Consent/1", one), ("Consent/2", None)], at),
        *care_entries("care.stated", who, how, "POST /fhir/Patient/$relate", [one]),
        *care_entries("care.emergency", who, how, "POST /fhir/Patient/$break-glass", [one]),
        denied_entry(who, how, "Condition?code=x", "scope"),
        denied_entry(who, how, "Condition/7", "404 not-found", serious=False),
        token_entry("token.issued", who, how, "scope=system/*.rs"),
        token_entry("token.refused", None, how, "scope=system/*.rs", "unknown client"),
        token_entry("token.revoked", who, how, "token=…"),
        *officer_entries("recall.opened", "anna", "withdrawn", [one], at),
        *steward_entries("link", "bea", "same papers", [one], at),
        sign_in_entry("signed-in", "anna", "192.0.2.1", at),
        *view_entries("anna", ["privacy-officer"], "HOPERAT", "/privacy", [one], at),
    ]


def _claimed(event):
    return [profile.removeprefix(CANONICAL) for profile in event.get("meta", {}).get("profile", ())]


def test_every_pattern_there_is_one_for_is_claimed(everything):
    assert {name for entry in everything for name in _claimed(entry.event)} == set(PATTERNS)


def test_every_event_keeps_what_its_pattern_asks(everything):
    for entry in everything:
        AuditEvent.model_validate(entry.event)
        for name in _claimed(entry.event):
            assert broken(entry.event, PATTERNS[name]) == [], (name, entry.kind)


def _codes(concepts, system=None):
    return [c["code"] for c in concepts if system is None or c["system"] == system]


def _agents(event, code):
    return [a for a in event["agent"] if code in _codes(a.get("type", {}).get("coding", ()))]


def _entities(event, code):
    return [e for e in event["entity"] if (e["type"]["system"], e["type"]["code"]) == (ENTITY, code)]


def broken(event, pattern):
    """What the pattern asks and the event has not."""
    return [fact for fact, kept in facts(event, pattern) if not kept]


def facts(event, pattern):
    yield "type", event["type"]["code"] == pattern.type
    yield "subtype", len(set(_codes(event["subtype"])) & pattern.subtypes) == 1
    yield "action", event["action"] == pattern.action
    yield "outcome", event["outcome"] == "0"
    for role in (pattern.client, pattern.server):
        agents = _agents(event, role)
        yield f"one agent {role}", len(agents) == 1
        for agent in agents:
            yield f"agent {role}", "who" in agent and "network" in agent and "media" not in agent
    users = _agents(event, "IRCP")
    yield "one user at most", len(users) <= 1
    yield "the user asks and is no device", all(u["requestor"] and "network" not in u for u in users)
    people = _entities(event, "1")
    yield "one patient or none", len(people) == pattern.patient
    for person in people:
        yield "role of the patient", person["role"]["code"] == "1"
        yield "the patient by reference", person["what"]["reference"].startswith("Patient/")
    for thing in event["entity"]:
        if (thing["type"]["system"], thing["type"]["code"]) == XREQUEST:
            yield "X-Request-Id", bool(thing["what"]["identifier"]["value"])
    if pattern.data:
        (data,) = _entities(event, "2")
        yield "role of the data", data["role"]["code"] in pattern.data
        if pattern.data == {"24"}:
            yield "the query alone", "query" in data and not {"what", "lifecycle", "detail"} & set(data)
        else:
            yield "the data by reference", "what" in data
    if pattern.type == "110106":
        (source,) = _agents(event, "110153")
        yield "the source observed it", source["who"] == event["source"]["observer"]
        yield "two entities", len(event["entity"]) >= 2
        yield "one authorizer at most", len(_agents(event, "429577009")) <= 1


@pytest.mark.parametrize(
    ("name", "fact", "change"),
    [
        ("Read", "action", {"action": "E"}),
        ("PatientQuery", "subtype", {"subtype": [{"code": "operation"}]}),
        ("PatientRead", "one agent 110152", {"agent": []}),
        ("PatientUpdate", "outcome", {"outcome": "8"}),
        ("PrivacyDisclosure.Source", "the source observed it", {"source": {"observer": {"display": "x"}}}),
    ],
)
def test_an_event_that_breaks_its_pattern_is_noticed(everything, name, fact, change):
    (event, *_) = (entry.event for entry in everything if name in _claimed(entry.event))
    assert fact in broken({**event, **change}, PATTERNS[name])


def test_the_rules_and_the_token_stand_with_those_they_concern(requester, circumstances, patients):
    who = replace(requester, token="77")
    (entry,) = query_entries(who, circumstances, "q", [Disclosed(patients[0], (), ("tpo",))])
    policies = {a["type"]["coding"][0]["code"]: a.get("policy") for a in entry.event["agent"]}
    assert policies == {
        "110153": ["urn:ietf:params:oauth:jti:77"],
        "110152": ["urn:mosaic:rule:tpo"],
        "IRCP": None,
    }

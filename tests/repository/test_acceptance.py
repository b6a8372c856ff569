"""What anybody who takes this exchange into use will try first: one test for each promise, by its name.

The rules are those of `consent/`, asked through `decide()`; where a promise is about storage, through the
repository.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from repository_world import BASE, KEY, World, observation
from test_reprofile import consent as stored_consent

from exchange.consent import (
    REPOSITORY,
    Context,
    DisclosureClass,
    Source,
    decide,
    directive,
    label,
    matched,
    missing_emergency_fields,
    parse_rules,
    profile,
)
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import read_cases
from exchange.content import read_tree
from exchange.model.errors import RecordRejected
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Labels, Viewer
from exchange.repository import everything, search
from exchange.repository.disclosure.ruling import register_participants
from exchange.repository.reading.read import read
from tests.consent.builders import chosen, consent, provision, record, viewer
from tests.content.test_hl7v2_maps import adt, pv1

ROOT = Path(__file__).parents[2]
PCF = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parent / "shared")) / "data/consent_ihe_pcf/resources"
NOON = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PART2 = {"category": [{"coding": [{"system": ACT, "code": "42CFRPart2CD"}]}], "policy": None}
REFERRAL = {
    "category": [{"coding": [{"system": ACT, "code": "IDSCL"}]}],
    "policy": [{"uri": "https://mosaic-exchange.example/policy/referral"}],
}
TPO = ("TREAT", "HPAYMT", "HOPERAT")
CLINIC = Source("prairie_clinic", "clinic", False, "resources")
PROGRAM = Source("harbor_recovery", "sud-program", True, "export")
HOSPITAL = Viewer("lakeside_hospital", "organization", "TREAT")


@pytest.fixture(scope="module")
def law() -> Context:
    files = read_tree(ROOT / "consent")
    return Context(parse_rules(files), read_cases(files)[0])


@pytest.fixture
def permitted(law):
    """Whether `who` may see the record."""

    def ask(seen, who=HOSPITAL, at=NOON, action=None):
        return decide(seen, who, law, at, action).effect == "permit"

    return ask


def part2(*children, to=("lakeside_hospital",), purpose=TPO, **changes):
    """A written Part 2 consent of Harbor Recovery."""
    root = provision("permit", *children, to=to, purpose=purpose, period={"end": "2031-03-01"})
    given = {"organization": [{"reference": "Organization/harbor_recovery"}], "provision": root}
    return consent(**{**PART2, **given, **changes})


def of_program(prof, *labels):
    return record(prof, "42CFRPart2", "SUD", *labels, source="harbor_recovery")


# 1
@pytest.mark.skipif(not PCF.exists(), reason="the published examples are not here")
@pytest.mark.parametrize(
    ("example", "purpose", "effect"),
    [
        ("basic-treat", "TREAT", "permit"),
        ("basic-treat", "HRESCH", "deny"),
        ("basic-treat-infant", "TREAT", "permit"),
        ("basic-ink", "TREAT", "permit"),
        ("basic-reject", "TREAT", "deny"),
        ("expired-treat", "TREAT", "deny"),
        ("intermediate-data", "TREAT", "permit"),
    ],
)
def test_the_published_pcf_consents_decide_as_they_say(law, example, purpose, effect):
    def actor(reference):
        return "lakeside_hospital" if "ex-organization" in str(reference) else None

    at = datetime(2023 if example == "expired-treat" else 2022, 7, 1, tzinfo=EXCHANGE_ZONE)
    body = json.loads((PCF / f"Consent-ex-consent-{example}.json").read_text("utf-8"))
    weight = json.loads((PCF / "Observation-ex-weight.json").read_text("utf-8"))
    given = profile([(directive(body, resolve=actor), True)])
    seen = DisclosureClass("prairie_clinic", "Observation", "N", (), given, matched(given, weight))
    people = {
        code: replace(each, agreement_from=datetime(2020, 1, 1, tzinfo=UTC))
        for code, each in law.participants.items()
    }
    asked = Viewer("lakeside_hospital", "organization", purpose)
    assert decide(seen, asked, Context(law.rules, people), at).effect == effect


# 2
def test_a_tree_of_three_levels_siblings_in_conflict_and_a_child_of_the_same_type(permitted):
    deepest = provision("permit", purpose=["TREAT"], to=["lakeside_hospital"])
    deep = chosen(consent(provision=provision("permit", provision("deny", deepest, label=["SUD"]))))
    assert permitted(record(deep, "SUD"))
    assert not permitted(record(deep, "SUD"), viewer("southside_clinic"))
    conflict = provision("permit", provision("permit", label=["SUD"]), provision("deny", label=["SUD"]))
    assert not permitted(record(chosen(consent(provision=conflict)), "SUD"))
    same = provision("permit", provision("permit", label=["HIV"]), to=["southside_clinic"])
    assert not permitted(record(chosen(consent(provision=same)), "HIV"))


# 3
def test_a_root_without_type_takes_its_base_from_the_policy_rule(permitted):
    opted_out = {"policyRule": {"coding": [{"system": ACT, "code": "OPTOUT"}]}, "provision": {}}
    opted_in = {"policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]}, "provision": {}}
    assert not permitted(record(chosen(consent(**opted_out))))
    assert permitted(record(chosen(consent(**opted_in))))
    assert permitted(record(chosen()))


# 4
def test_a_permit_for_one_label_does_not_open_a_record_with_two(permitted):
    only = chosen(consent(provision=provision("permit", label=["SUD"])))
    assert permitted(record(only, "SUD"))
    assert not permitted(record(only, "SUD", "HIV"))


# 5
def test_a_denial_of_restricted_records_does_not_close_normal_ones(permitted):
    refused = chosen(consent(provision=provision("permit", provision("deny", label=["R"]))))
    assert permitted(record(refused))
    assert not permitted(record(refused, confidentiality="R"))
    assert not permitted(record(refused, confidentiality="V"))


# 6
@pytest.mark.parametrize("atom", ["OPIOIDUD", "ETHUD", "SUD"])
def test_a_denial_by_the_older_code_closes_the_whole_family(permitted, atom):
    refused = chosen(consent(provision=provision("permit", provision("deny", label=["ETH"]))))
    assert not permitted(record(refused, atom))
    assert permitted(record(refused, "HIV"))


# 7
def test_a_permit_for_treatment_is_none_for_breaking_the_glass(law):
    given = part2(purpose=["TREAT"])
    asked = viewer(purpose="BTG")
    answer = decide(of_program(chosen(given)), asked, law, NOON)
    assert answer.because == ("part2-emergency",)
    assert answer.needs_relationship
    pushed = decide(of_program(chosen(given)), asked, law, NOON, "disclose")
    assert pushed.effect == "deny"


# 8
@pytest.mark.parametrize("purpose", ["HLEGAL", "FRAUD", "GOV", "MLTRAINING", "MILCDM"])
def test_a_permit_for_operations_is_none_for_what_only_lies_below_them(permitted, purpose):
    asked = viewer(purpose=purpose)
    named = consent(provision=provision("permit", to=["lakeside_hospital"], purpose=["HOPERAT"]))
    assert not permitted(record(chosen(named)), asked)
    assert not permitted(of_program(chosen(part2(purpose=["HOPERAT"]))), asked)
    assert permitted(of_program(chosen(part2())), viewer(purpose="HQUALIMP"))


# 9
def test_a_scope_with_a_display_is_the_same_scope(permitted):
    coding = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    refused = consent(scope={"coding": [{**coding, "display": "Privacy"}]}, provision=provision("deny"))
    assert not permitted(record(chosen(refused)))


# 10
def test_a_consent_lasts_through_its_last_day_in_the_zone_of_the_exchange(permitted):
    until = chosen(
        part2(provision=provision("permit", to=["lakeside_hospital"], period={"end": "2026-06-30"}))
    )
    assert permitted(of_program(until), at=datetime(2026, 6, 30, 23, 0, tzinfo=EXCHANGE_ZONE))
    assert not permitted(of_program(until), at=datetime(2026, 7, 1, 0, 0, tzinfo=EXCHANGE_ZONE))


# 11
def test_part_2_follows_the_program_and_not_the_diagnosis(law):
    flu = {
        "resourceType": "Immunization",
        "id": "i",
        "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "140"),
    }
    opioid = {"resourceType": "Condition", "id": "c", "code": icd("F11.20")}
    assert label(flu, PROGRAM, law.rules).codes == {"42CFRPart2", "SUD"}
    assert label(flu, CLINIC, law.rules).codes == set()
    assert label(opioid, CLINIC, law.rules).codes == {"OPIOIDUD"}


# 12
def test_a_consent_for_treatment_payment_and_operations_opens_nothing_to_a_food_bank(permitted):
    given = chosen(part2(to=["group:treating-providers-plans-payers"]))
    assert permitted(of_program(given))
    for purpose in ("COC", "TREAT", "HOPERAT"):
        assert not permitted(of_program(given), viewer("good_table", purpose))


# 13
def test_notice_and_consent_go_with_everything_a_part_2_consent_opens(law):
    for to in ("lakeside_hospital", "group:treating-providers"):
        for kind in ("Condition", "Immunization", "Patient"):
            seen = replace(of_program(chosen(part2(to=[to]))), type=kind)
            owed = decide(seen, HOSPITAL, law, NOON).obligations
            assert {"redisclosure-notice", "consent-copy"} <= owed


# 14
def test_the_glass_is_not_broken_without_every_field_the_law_asks_for(law):
    whole = {
        "recipient": "Dr. A. Bell",
        "recipient_affiliation": "Lakeside Hospital",
        "discloser": "Mosaic Exchange",
        "datetime": "2026-06-01T12:00:00-05:00",
        "emergency_nature": "unconscious",
    }
    assert missing_emergency_fields(whole, law.rules) == ()
    for name in whole:
        assert missing_emergency_fields({**whole, name: " "}, law.rules) == (name,)


# 15
@pytest.mark.parametrize("action", ["access", "disclose"])
def test_a_laboratory_report_of_a_program_does_not_go_to_public_health(permitted, action):
    given = chosen(part2(to=["county_health"], purpose=["PUBHLTH"]))
    asked = viewer("county_health", "PUBHLTH")
    assert not permitted(of_program(given), asked, action=action)
    assert permitted(record(chosen(), "HIV"), asked, action=action)


# 16
def test_a_person_may_opt_out_for_mental_health_alone(permitted):
    partial = chosen(consent(provision=provision("permit", provision("deny", label=["MH"]))))
    for asked in (HOSPITAL, REPOSITORY):
        assert not permitted(record(partial, "MH"), asked)
        assert not permitted(record(partial, "PSY"), asked)
        assert permitted(record(partial), asked)
        assert permitted(record(partial, "SUD"), asked)


# 17
def test_a_parent_is_not_shown_a_fourteen_year_olds_visit_for_an_infection(permitted):
    family = viewer(purpose="FAMRQT")
    policy = [{"uri": "https://mosaic-exchange.example/policy/authorization"}]
    root = provision("permit", to=["lakeside_hospital"], purpose=["FAMRQT"])
    mother, minor = [{"reference": "RelatedPerson/m"}], [{"reference": "Patient/p1"}]
    for performer, shown in ((mother, False), (minor, True)):
        given = chosen(consent(policy=policy, category=[], provision=root, performer=performer))
        assert permitted(record(given, "STD", "ADOL"), family) is shown
    assert permitted(record(chosen(), "STD", "ADOL"))


# 18
@pytest.mark.parametrize(
    ("source", "who"), [("dunes_hospital", "lakeside_hospital"), ("prairie_clinic", "dunes_hospital")]
)
def test_hiv_from_or_to_indiana_needs_a_written_consent(permitted, source, who):
    asked = viewer(who)
    assert not permitted(record(chosen(), "HIV", source=source), asked)
    assert not permitted(record(chosen(consent(sourceReference=None)), "HIV", source=source), asked)
    assert permitted(record(chosen(consent()), "HIV", source=source), asked)


# 19
def test_a_victim_service_provider_feeds_nobody_into_the_exchange(permitted):
    shelter = {
        "code": "safe_harbor",
        "namespace": "https://safe-harbor.example/",
        "organization": Organization(name="Safe Harbor", type="victim-services"),
        "agreement": Agreement(type="DUA", signed=date(2026, 1, 1)),
    }
    assert Partner(**shelter).feeds == {}
    with pytest.raises(ValidationError, match="victim-service provider may not feed"):
        Partner(
            **shelter,
            feeds={"clients": Feed(format="delimited", map="clients.map.yaml")},
            connector=Connector(type="folder"),
        )
    assert not permitted(record(chosen(), "VAWA", "SDV", source="safe_harbor"), REPOSITORY)


# 20
def test_a_relatives_drug_use_is_labelled_and_said_to_be_a_relatives(law):
    found = label({"resourceType": "Condition", "id": "c", "code": icd("Z71.52")}, CLINIC, law.rules)
    assert (found.codes, found.confidentiality) == ({"SUD"}, "R")
    assert [(e.basis, e.strength) for e in found.evidence] == [("inference", "weak")]
    assert found.evidence[0].detail.endswith("about a relative")


# 21
@pytest.mark.parametrize(
    ("code", "strength"),
    [
        ("904870", "weak"),  # 168 HR buprenorphine 0.01 MG/HR Transdermal System (BuTrans)
        ("1716077", "weak"),  # buprenorphine 0.075 MG Buccal Film (Belbuca)
        ("1010600", "strong"),  # buprenorphine 2 MG / naloxone 0.5 MG Sublingual Film (Suboxone)
        ("1996192", "strong"),  # 1.5 ML buprenorphine 200 MG/ML Prefilled Syringe (Sublocade)
        ("864706", "weak"),  # methadone hydrochloride 10 MG Oral Tablet
        ("864978", "strong"),  # methadone hydrochloride 40 MG Tablet for Oral Suspension
    ],
)
def test_a_drug_is_evidence_by_its_route_and_strength(law, code, strength):
    drug = coded("http://www.nlm.nih.gov/research/umls/rxnorm", code)
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "medicationCodeableConcept": {**drug, "text": "drug"},
    }
    found = label(order, CLINIC, law.rules)
    assert found.codes == {"OPIOIDUD"}
    assert {e.strength for e in found.evidence} == {strength}


# 21, by its ingredient: a patch treats pain
@pytest.mark.parametrize(
    ("elements", "strength"),
    [
        ({}, "strong"),
        ({"dosageInstruction": [{"route": {"text": "Sublingual"}}]}, "strong"),
        ({"dosageInstruction": [{"route": {"text": "Transdermal"}}]}, "weak"),
        ({"dosageInstruction": [{"route": {"coding": [{"code": "45890007"}]}}]}, "weak"),
        ({"dosageInstruction": [{"text": "apply one patch weekly"}]}, "weak"),
    ],
)
def test_buprenorphine_by_its_ingredient_is_evidence_by_its_route(law, elements, strength):
    drug = coded("http://www.nlm.nih.gov/research/umls/rxnorm", "1819")
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "medicationCodeableConcept": {**drug, "text": "drug"},
        **elements,
    }
    found = label(order, CLINIC, law.rules)
    assert found.codes == {"OPIOIDUD"}
    assert {e.strength for e in found.evidence if "substance-use" in e.detail} == {strength}


# 22, 23
@pytest.mark.parametrize(
    ("system", "code", "codes", "confidentiality"),
    [
        (ACT, "NORDSLCD", {"NORDSCLCD"}, "N"),
        ("http://terminology.hl7.org/CodeSystem/v2-0177", "U", set(), "N"),
        ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "PSY", {"PSY"}, "R"),
        ("http://terminology.hl7.org/CodeSystem/v2-0177", "AID", {"HIV"}, "R"),
    ],
)
def test_old_and_foreign_labels_mean_what_they_meant(law, system, code, codes, confidentiality):
    labelled = {
        "resourceType": "Condition",
        "id": "c",
        "meta": {"security": [{"system": system, "code": code}]},
    }
    found = label(labelled, CLINIC, law.rules)
    assert (found.codes, found.confidentiality) == (codes, confidentiality)


# 24
def test_an_update_of_a_visit_does_not_lower_its_status():
    def status(event, visit):
        return next(r["status"] for r in adt(event, visit).resources if r["resourceType"] == "Encounter")

    assert status("A01", pv1("I")) == status("A08", pv1("I")) == "in-progress"
    assert status("A08", pv1("I", "20261105")) == "finished"


# 31
def test_a_referral_that_does_not_reach_a_request_does_not_deny_ordinary_care(permitted):
    referral = provision(
        "permit", to=["good_table"], purpose=["COC"], label=["N"], **{"class": [kind("Task")]}
    )
    given = chosen(consent(**REFERRAL, provision={**referral, "period": {"end": "2026-12-31"}}))
    assert permitted(record(given))
    asked = viewer("good_table", "COC")
    assert permitted(record(given, content={"resourceType": "Task"}), asked)
    assert not permitted(record(given, content={"resourceType": "Observation"}), asked)
    assert not permitted(record(given, "HIV", content={"resourceType": "Task"}), asked)


# 32
def test_two_consents_together_open_a_record_with_two_labels(permitted):
    def one(atom, discloser):
        root = provision(
            "permit", to=["good_table"], purpose=["COC"], label=[atom], period={"end": "2026-12-31"}
        )
        own = {"organization": [{"reference": f"Organization/{discloser}"}], "provision": root}
        return consent(**{**REFERRAL, **own})

    note = {"resourceType": "DocumentReference"}
    asked = viewer("good_table", "COC")
    both = chosen(one("SUD", "prairie_clinic"), one("HIV", "lakeside_hospital"))
    assert permitted(record(both, "SUD", "HIV", content=note), asked)
    assert not permitted(record(chosen(one("SUD", "prairie_clinic")), "SUD", "HIV", content=note), asked)


# 33
@pytest.mark.parametrize("purpose", ["TREAT", "HPAYMT", "HLEGAL"])
def test_the_order_of_siblings_does_not_matter(law, purpose):
    siblings = [
        provision("deny", label=["SUD"], purpose=["TREAT"]),
        provision("permit", label=["SUD"]),
        provision("deny", to=["southside_clinic"]),
    ]
    asked = viewer(purpose=purpose)
    answers = {
        decide(record(chosen(consent(provision=provision("permit", *order))), "SUD"), asked, law, NOON).effect
        for order in (siblings, siblings[::-1], [siblings[1], siblings[0], siblings[2]])
    }
    assert len(answers) == 1


# 34
def test_a_consent_in_the_shape_of_release_5_is_refused_and_not_emptied():
    r5 = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "decision": "permit",
        "provision": [{"purpose": []}],
    }
    with pytest.raises(RecordRejected):
        directive(r5, resolve=lambda _: None)


# 35
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "banana"},
        {"patient": None},
        {"provision": {"type": "permit", "data": [{"meaning": "zzz"}]}},
    ],
)
def test_what_is_no_code_of_the_standard_is_refused(changes):
    with pytest.raises(RecordRejected):
        directive(consent(**changes), resolve=lambda _: None)


# --- what is about storage ---


@pytest.fixture
def stored(connection, law) -> World:
    """The repository under the real rules."""
    asking = {"lakeside_hospital": ("TREAT",), "southside_clinic": ("TREAT",)}
    people = {code: replace(p, purposes=asking.get(code, ())) for code, p in law.participants.items()}
    context = Context(law.rules, people)
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    register_participants(connection, context, at)
    connection.commit()
    return World(connection, context, at)


def shown(world, patient):
    """Everything a hospital gets of a patient, by every way to get it."""
    with world.as_viewer(HOSPITAL) as view:
        page = search(view, "Observation", [("patient", patient), ("_total", "accurate")], BASE, KEY)
        whole = everything(view, patient, [], BASE, KEY)
        return len(page.entries), page.total, len(whole.entries) if whole else 0


def with_patient(world):
    patient = world.patient("lakeside_hospital", "1", name=[{"family": "Rivera"}])
    elsewhere = world.patient("prairie_clinic", "7", name=[{"family": "Rivera"}])
    world.link(patient, elsewhere)
    items = [
        world.item("prairie_clinic", observation("prairie_clinic", elsewhere, f"o{n}"), labels=Labels(*marks))
        for n, marks in enumerate([("N", frozenset()), ("R", frozenset(["HIV"])), ("R", frozenset(["MH"]))])
    ]
    world.publish(*items)
    return patient, elsewhere, items


def visible(world, items):
    with world.as_viewer(HOSPITAL) as view:
        return [read(view, "Observation", item.resource["id"]) is not None for item in items]


def deny(*, label=(), to=()):
    return {"provision": provision("permit", provision("deny", label=label, to=to, action=[disclosing()]))}


# 26
def test_a_revocation_closes_every_way_to_what_it_is_about_at_once(stored):
    patient, elsewhere, items = with_patient(stored)
    assert visible(stored, items) == [True, True, True]
    denial = stored_consent(elsewhere, **deny(label=["HIV"]))
    stored.publish(stored.item("prairie_clinic", denial))
    assert visible(stored, items) == [True, False, True]
    assert shown(stored, patient)[:2] == (2, 2)
    with stored.as_viewer(HOSPITAL) as view:
        assert view.conn.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone() == (
            2,
        )


# 29
def test_a_total_counts_what_the_requester_may_see(stored):
    patient, elsewhere, _ = with_patient(stored)
    assert shown(stored, patient)[:2] == (3, 3)
    stored.publish(stored.item("prairie_clinic", stored_consent(elsewhere, **deny(label=["MH", "HIV"]))))
    assert shown(stored, patient)[:2] == (1, 1)


# 30
def test_an_unlink_decides_again_what_the_link_had_closed_or_opened(stored):
    patient, elsewhere, items = with_patient(stored)
    stored.publish(stored.item("lakeside_hospital", stored_consent(patient, **deny(label=["HIV"]))))
    assert visible(stored, items) == [True, False, True]
    stored.unlink(patient, elsewhere)
    assert visible(stored, items) == [False, False, False]  # no longer known to be the hospital's patient
    stored.link(patient, elsewhere)
    assert visible(stored, items) == [True, False, True]


def disclosing():
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}]}


def kind(name):
    return {"system": "http://hl7.org/fhir/resource-types", "code": name}


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def icd(code):
    return coded("http://hl7.org/fhir/sid/icd-10-cm", code)

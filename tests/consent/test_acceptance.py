"""What anybody who takes this exchange into use will try first: who sees what, asked through `decide()`.

The rules are those of `consent/`; one test for each promise, by its name.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

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
    profile,
)
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Viewer
from tests.consent.builders import chosen, coded, consent, icd, provision, record, viewer

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


@pytest.fixture
def law(context):
    return context


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
    until = {"end": "2027-01-01"}
    root = provision("permit", to=["lakeside_hospital"], purpose=["FAMRQT"], period=until)
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


def kind(name):
    return {"system": "http://hl7.org/fhir/resource-types", "code": name}

import json
from itertools import permutations

import pytest

from exchange.consent import Profile, decide, directive, origins, profile
from exchange.consent.directives.reading import SCOPE
from exchange.consent.proof.case_consents import resolve_case
from tests.consent.builders import chosen, consent, provision, record, viewer


def read(**changes):
    return directive(consent(**changes), resolve=resolve_case), True


def test_two_people_who_chose_the_same_share_one_profile():
    anna = chosen(consent(id="a", patient={"reference": "Patient/a"}, dateTime="2026-01-01"))
    boris = chosen(
        consent(id="b", meta={"versionId": "7"}, patient={"reference": "Patient/b"}, dateTime="2025-05-05")
    )
    assert anna == boris
    assert anna.digest == boris.digest


def test_the_dates_of_a_consent_are_part_of_what_was_chosen():
    first = chosen(consent(provision=provision("permit", period={"end": "2027-01-01"})))
    second = chosen(consent(provision=provision("permit", period={"end": "2027-01-02"})))
    assert first != second


def test_the_order_in_which_consents_arrive_does_not_show():
    one, two = (
        consent(id="a"),
        consent(id="b", policy=[{"uri": "https://mosaic-exchange.example/policy/hmis"}]),
    )
    assert chosen(one, two) == chosen(two, one)


def test_a_profile_comes_back_from_json_as_it_was():
    before = chosen(consent(provision=provision("permit", provision("deny", label=["HIV"]))))
    after = Profile.from_json(json.loads(json.dumps(before.to_json())))
    assert (after, after.groups) == (before, before.groups)


def test_the_consents_behind_a_position_can_be_found_again():
    both = [read(id="a"), read(id="b", policy=[{"uri": "https://mosaic-exchange.example/policy/hmis"}])]
    named = origins(both)
    positions = [statement.policies for statement in profile(both).statements]
    assert named[positions.index(("https://mosaic-exchange.example/policy/hmis",))] == (
        "Consent/b/_history/1",
    )


def test_one_position_can_have_two_consents_behind_it():
    pair = [read(id="a"), read(id="b", patient={"reference": "Patient/p2"})]
    assert origins(pair) == (("Consent/a/_history/1",), ("Consent/b/_history/1",)) or origins(pair) == (
        ("Consent/a/_history/1", "Consent/b/_history/1"),
    )
    assert len(origins(pair)) == len(profile(pair).statements)


def test_the_newest_signature_counts_and_not_the_newest_statement():
    attachment = {"creation": "2026-01-01"}
    old = consent(id="a", dateTime="2026-09-09", sourceReference=None, sourceAttachment=attachment)
    new = consent(id="b", dateTime="2026-02-01", provision={"type": "deny"})
    assert [s.root.type for s in chosen(old, new).statements] == ["deny"]


def test_an_undated_consent_may_be_as_new_as_the_newest(context, noon):
    """In either order: neither of the two opens what the other one keeps closed."""
    wide, narrow = provision("permit"), provision("permit", to=["prairie_clinic"])
    older = consent(id="o", dateTime="2025-01-01", provision={"type": "deny"})
    for undated, dated in ((wide, narrow), (narrow, wide)):
        pair = [consent(id="a", dateTime=None, provision=undated), consent(id="b", provision=dated)]
        for each in permutations([*pair, older]):
            prof = chosen(*each)
            assert [len(group) for group in prof.groups] == [2]
            assert decide(record(prof), viewer("southside_clinic"), context, noon).effect == "deny"
            assert decide(record(prof), viewer("prairie_clinic"), context, noon).effect == "permit"


def test_an_undated_consent_of_the_person_stays_beside_a_later_one_of_others():
    own = consent(id="a", dateTime=None, performer=[{"reference": "Patient/p1"}])
    mothers = consent(id="b", performer=[{"reference": "RelatedPerson/m"}])
    assert sorted(s.by for (s,) in chosen(own, mothers).groups) == ["other", "self"]


def test_consents_of_two_charts_do_not_replace_each_other():
    older = consent(id="a", dateTime="2026-01-01", provision={"type": "deny"})
    newer = consent(id="b", patient={"reference": "Patient/p2"})
    assert {s.root.type for s in chosen(older, newer).statements} == {"permit", "deny"}


def test_a_consent_to_research_does_not_take_the_place_of_a_refusal():
    research = {"coding": [{"system": SCOPE, "code": "research"}]}
    refused = consent(id="a", dateTime="2026-01-01", provision={"type": "deny"})
    newer = consent(id="b", scope=research)
    assert {s.root.type for s in chosen(refused, newer).statements} == {"permit", "deny"}


@pytest.mark.parametrize("when", ["2026-06-15", "2026-06", "2026"])
def test_a_date_that_may_be_as_new_as_the_newest_is_heard_too(when):
    """Nobody knows which of the two was signed last, so the more restrictive counts."""
    refused = consent(id="a", dateTime=when, provision={"type": "deny"})
    given = consent(id="b", dateTime="2026-06-15T10:00:00-05:00")
    assert {s.root.type for s in chosen(refused, given).statements} == {"permit", "deny"}
    assert len(chosen(refused, given).groups) == 1
    later = consent(id="b", dateTime="2027-01-01T10:00:00-06:00")
    assert [s.root.type for s in chosen(refused, later).statements] == ["permit"]


def test_a_newer_consent_that_does_not_say_who_gave_it_replaces_the_persons_own():
    """It may be the person's; beside one that others gave later still, the older one would open again."""
    own = consent(id="a", dateTime="2025-01-01", performer=[{"reference": "Patient/p1"}])
    unsaid = consent(id="b", dateTime="2026-01-01", provision=provision("permit", to=["prairie_clinic"]))
    mothers = consent(id="c", dateTime="2026-02-01", performer=[{"reference": "RelatedPerson/m"}])
    prof = chosen(own, unsaid, mothers)
    assert [s.by for s in prof.statements] == ["other"]
    assert [s.by for s in chosen(own, unsaid).statements] == [""]
    assert sorted(s.by for s in chosen(own, mothers).statements) == ["other", "self"]


RULES = "http://terminology.hl7.org/CodeSystem/consentpolicycodes"


@pytest.mark.parametrize("kind", ["deny", "permit"])
def test_of_two_signed_together_that_a_policy_rule_puts_into_two_domains_neither_weakens_the_other(
    kind, context, noon
):
    """An emergency lifts a general refusal and no special one; an authorization opens to a food bank."""
    to = {"to": ["good_table"], "period": {"end": "2027-01-01"}} if kind == "permit" else {}
    both = {"dateTime": "2026-03-02", "provision": provision(kind, **to), "policy": None}
    pair = [
        consent(id=code, policyRule={"coding": [{"system": RULES, "code": code}]}, **both)
        for code in ("cric", "hipaa-auth")
    ]
    who = viewer("good_table", "COC") if kind == "permit" else viewer(purpose="BTG")

    def asked(*consents):
        return decide(record(chosen(*consents)), who, context, noon).effect

    alone = [asked(one) for one in pair]
    assert alone == (["deny", "permit"] if kind == "permit" else ["permit", "deny"])
    assert asked(*pair) == asked(*reversed(pair)) == "deny"

"""Where one word in the code makes the difference: the last instant, the second of two, the weaker tie."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exchange.consent import (
    REPOSITORY,
    decide,
    directive,
    identity_hold,
    intervals,
    profile,
    suspension,
    until_of_age,
)
from exchange.consent.dates import EXCHANGE_ZONE, Span, read_date
from exchange.consent.directives.normal_form import Member
from exchange.consent.directives.trees import Request, Subject, evaluate, trees
from exchange.consent.proof.case_consents import resolve_case
from tests.consent.builders import chosen, consent, provision, record, viewer

PART2 = {
    "policy": [{"uri": "https://mosaic-exchange.example/policy/part2"}],
    "organization": [{"reference": "Organization/harbor_recovery"}],
}
MOTHER = [{"reference": "RelatedPerson/mother"}]
YEAR = {"end": "2027-01-01"}


def read(**changes):
    return directive(consent(**changes), resolve=resolve_case)


def of_program(prof):
    return record(prof, "42CFRPart2", "SUD", source="harbor_recovery")


def ends(cls, context, noon):
    return [end for _, end, _ in intervals(cls, viewer(), context, noon, noon + timedelta(days=900))]


def test_one_label_that_asks_for_a_relationship_asks_for_the_whole_record(context, noon):
    named = consent(
        id="a",
        policy=[{"uri": "https://mosaic-exchange.example/policy/authorization"}],
        provision=provision("permit", to=["north_shelter"], label=["STD"], period=YEAR),
    )
    by_class = consent(
        id="b",
        policy=[{"uri": "https://mosaic-exchange.example/policy/referral"}],
        provision=provision("permit", to=["group:coalition"], label=["PREGNANT"], period=YEAR),
    )
    both = chosen(named, by_class)
    asked = {
        labels: decide(record(both, *labels), viewer("north_shelter", "COC"), context, noon)
        for labels in (("STD",), ("PREGNANT",), ("PREGNANT", "STD"))
    }
    assert [answer.effect for answer in asked.values()] == ["permit"] * 3
    assert [answer.needs_relationship for answer in asked.values()] == [False, True, True]


def test_a_permit_ends_when_the_recipient_leaves_the_team(context, noon):
    leaves = datetime(2026, 9, 1, 5, tzinfo=UTC)
    team = {"type": "permit", "actor": [{"reference": {"reference": "CareTeam/t"}}]}
    given = directive(
        consent(provision=team, **PART2),
        resolve=lambda ref: (
            [Member("lakeside_hospital", Span(None, leaves))]
            if ref["reference"] == "CareTeam/t"
            else resolve_case(ref)
        ),
    )
    assert ends(of_program(profile([(given, True)])), context, noon) == [leaves]


def test_an_exception_that_begins_later_ends_the_permit(context, noon):
    later = provision("permit", provision("deny", period={"start": "2026-09-01"}))
    assert ends(record(chosen(consent(provision=later))), context, noon) == [
        datetime(2026, 9, 1, 5, tzinfo=UTC)
    ]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-01", 24)])
def test_every_day_lasts_from_midnight_to_midnight_here(day, hours):
    span = read_date(day, EXCHANGE_ZONE, "x")
    assert span.start is not None
    assert span.end is not None
    assert span.end - span.start == timedelta(hours=hours)
    assert span.end.astimezone(EXCHANGE_ZONE).hour == 0


@pytest.mark.parametrize("weaker", ["not certain", "ended"])
def test_of_two_permits_signed_together_both_must_open(context, noon, weaker):
    tree = provision("permit", to=["lakeside_hospital"])
    one = read(id="a", provision=tree, **PART2)
    other = read(id="b", provision=provision("permit", to=["lakeside_hospital"], purpose=["TREAT"]), **PART2)
    ended = replace(other, opens_until=noon if weaker == "ended" else None)
    certain = weaker != "not certain"
    assert (
        decide(of_program(profile([(one, True), (other, True)])), viewer(), context, noon).effect == "permit"
    )
    for pair in ([(one, True), (ended, certain)], [(ended, certain), (one, True)]):
        assert decide(of_program(profile(pair)), viewer(), context, noon).effect == "deny"


def test_a_consent_of_others_ends_at_the_very_moment_of_coming_of_age(context, noon):
    given = replace(read(provision=provision("permit", to=["lakeside_hospital"]), **PART2), opens_until=noon)
    cls = of_program(profile([(given, True)]))
    assert decide(cls, viewer(), context, noon).effect == "deny"
    assert decide(cls, viewer(), context, noon - timedelta(microseconds=1)).effect == "permit"


def test_the_end_of_a_consent_of_others_is_foreseen(context, noon):
    birthday = noon + timedelta(days=30)
    given = read(provision=provision("permit", to=["lakeside_hospital"]), **PART2)
    assert ends(of_program(profile([(replace(given, opens_until=birthday), True)])), context, noon) == [
        birthday
    ]


@pytest.mark.parametrize(("signed", "ends_itself"), [("2026-03-02", False), ("2026-03-01", True)])
def test_who_signs_on_the_eighteenth_birthday_is_of_age(signed, ends_itself):
    given = until_of_age(read(performer=MOTHER, dateTime=signed), ["2008-03-02"])
    assert (given.opens_until is not None) is ends_itself


def test_of_a_birth_year_alone_the_last_day_must_be_past_and_the_first_one_ends_it():
    given = read(performer=MOTHER, dateTime="2026-03-02")
    assert until_of_age(given, ["2008"]).opens_until == datetime(2026, 1, 1, 6, tzinfo=UTC)
    assert until_of_age(read(performer=MOTHER, dateTime="2026-12-31"), ["2008"]).opens_until is None


@pytest.mark.parametrize(
    ("kind", "levels", "record_level", "effect"),
    [
        ("permit", ["N", "R"], "R", "permit"),
        ("permit", ["N", "R"], "N", "permit"),
        ("permit", ["N", "L"], "R", "deny"),
        ("deny", ["R", "V"], "R", "deny"),
        ("deny", ["R", "V"], "N", "permit"),
    ],
)
def test_one_of_several_levels_of_confidentiality_is_enough(
    context, noon, kind, levels, record_level, effect
):
    cls = record(chosen(consent(provision=provision(kind, label=levels))), confidentiality=record_level)
    assert decide(cls, viewer(), context, noon).effect == effect


@pytest.mark.parametrize("held_back_by", ["quarantine", "identity"])
@pytest.mark.parametrize(("action", "effect"), [("access", "deny"), ("disclose", "deny")])
def test_what_holds_back_closes_reading_and_pushing_but_keeps_what_is_stored(
    context, noon, held_back_by, action, effect
):
    held = (
        suspension(consent(provision=None), "prairie_clinic")
        if held_back_by == "quarantine"
        else identity_hold()
    )
    assert held is not None
    cls = record(profile([(held, True)]))
    assert decide(cls, viewer(), context, noon, action).effect == effect
    assert decide(cls, REPOSITORY, context, noon).effect == "permit"


def test_an_unreadable_scope_still_suspends_and_one_of_another_kind_does_not():
    assert suspension(consent(scope={"coding": "broken"}), "prairie_clinic") is not None
    assert suspension(consent(scope={"coding": [{"code": "adr"}]}), "prairie_clinic") is None


def test_a_time_without_a_zone_is_a_time_here():
    start = read_date("2026-06-01T10:00:00", EXCHANGE_ZONE, "x").start
    assert start == datetime(2026, 6, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("flaw", ["not signed", "without an end", "not the person's own"])
def test_of_two_permits_signed_together_each_must_be_what_the_law_asks_for(context, noon, flaw):
    until = {"period": {"end": "2027-01-01"}}
    authorization = {"policy": [{"uri": "https://mosaic-exchange.example/policy/authorization"}]}
    mine = {"performer": [{"reference": "Patient/p1"}]}

    def given(good):
        term = {} if flaw == "without an end" and not good else until
        tree = provision(
            "permit", to=["north_shelter"], purpose=["COC"] if good else ["COC", "TREAT"], **term
        )
        paper = {"sourceReference": None} if flaw == "not signed" and not good else {}
        who = {"performer": MOTHER} if flaw == "not the person's own" and not good else mine
        return read(id=str(good), provision=tree, **authorization, **paper, **who)

    def answer(*pair):
        cls = record(profile([(one, True) for one in pair]), "HIV", "ADOL")
        return decide(cls, viewer("north_shelter", "COC"), context, noon).effect

    assert answer(given(True)) == "permit"
    assert answer(given(False)) == "deny"
    assert answer(given(True), given(False)) == "deny"
    assert answer(given(False), given(True)) == "deny"


def test_a_consent_of_two_domains_is_heard_about_the_records_of_others_too(context, noon):
    coding = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code} for code in
              ("42CFRPart2CD", "HIPAAAuthCD")]  # fmt: skip
    both = [{"coding": [one]} for one in coding]
    tree = provision("permit", provision("deny", label=["HIV"]), to=["lakeside_hospital"], period=YEAR)
    given = chosen(consent(category=both, policy=None, organization=PART2["organization"], provision=tree))
    assert decide(record(given, "HIV"), viewer(), context, noon).effect == "deny"
    # Its permit counts for the records of the program alone.
    marketing = viewer("lakeside_hospital", "HMARKT")
    assert decide(record(given), marketing, context, noon).effect == "deny"
    assert decide(record(given, source="harbor_recovery"), marketing, context, noon).effect == "permit"


def test_an_exception_of_a_program_nobody_can_tell_is_heard_about_all_records(context, noon):
    tree = provision("permit", provision("deny", label=["HIV"]), to=["lakeside_hospital"])
    given = directive(
        consent(provision=tree, **PART2),
        resolve=lambda ref: None if ref["reference"].endswith("harbor_recovery") else resolve_case(ref),
    )
    assert decide(record(profile([(given, True)]), "HIV"), viewer(), context, noon).effect == "deny"


def test_a_level_the_vocabulary_does_not_know_is_denied_with_everything(rules):
    words = replace(rules.vocabulary, levels={"N": 0, "R": 1})
    ((_, _, root),) = trees(chosen(consent(provision=provision("deny", label=["V"]))))[0]
    nobody = frozenset[str]()
    asked = Request("clinic", nobody, nobody, nobody, "access", "TREAT", datetime(2026, 6, 1, tzinfo=UTC))
    assert evaluate(root, asked, Subject(None, "N", nobody, frozenset()), words).verdict == "deny"

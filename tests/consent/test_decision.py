from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from exchange.consent import (
    REPOSITORY,
    Context,
    Participant,
    decide,
    identity_hold,
    intervals,
    parse_rules,
    profile,
)
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.explain import explain
from exchange.model.records import Viewer
from tests.consent.builders import chosen, consent, provision, record, viewer

PART2 = {
    "policy": [{"uri": "https://mosaic-exchange.example/policy/part2"}],
    "organization": [{"reference": "Organization/harbor_recovery"}],
}


def part2(tree, **changes):
    return chosen(consent(provision=tree, **PART2, **changes))


def of_program(profile):
    return record(profile, "42CFRPart2", "SUD", source="harbor_recovery")


@pytest.mark.parametrize(
    ("kinds", "labels", "effect"),
    [
        (["part2", "authorization"], [], "permit"),
        (["part2", "victim-services"], [], "deny"),
        (["part2", "research"], [], "deny"),
        (["part2"], ["42CFRPart2", "SUD", "HIV"], "permit"),
    ],
)
def test_a_consent_of_two_kinds_opens_an_ordinary_record_of_the_hospital_by_the_other_kind_alone(
    context, noon, kinds, labels, effect
):
    both = consent(
        policy=[{"uri": f"https://mosaic-exchange.example/policy/{kind}"} for kind in kinds],
        organization=[{"reference": "Organization/lakeside_hospital"}],
        provision=provision("permit", to=["hearth_housing"], period={"end": "2026-12-31"}),
    )
    asked = record(chosen(both), *labels, source="lakeside_hospital")
    assert decide(asked, viewer("hearth_housing", "COC"), context, noon).effect == effect


def test_a_permit_ends_by_itself_with_the_consent(context, noon):
    year = part2(provision("permit", to=["lakeside_hospital"], period={"end": "2026-12-31"}))
    ((begins, ends, decision),) = intervals(
        of_program(year), viewer(), context, noon, noon + timedelta(days=900)
    )
    assert begins == noon
    assert ends.isoformat() == "2027-01-01T06:00:00+00:00"
    assert decision.until == ends


def test_a_permit_begins_by_itself(context, noon):
    later = part2(provision("permit", to=["lakeside_hospital"], period={"start": "2026-09-01"}))
    ((begins, ends, _),) = intervals(of_program(later), viewer(), context, noon, noon + timedelta(days=900))
    assert (begins.isoformat(), ends) == ("2026-09-01T05:00:00+00:00", noon + timedelta(days=900))


def test_an_empty_time_has_no_permits(context, noon):
    assert intervals(record(chosen()), viewer(), context, noon, noon) == []


def test_what_begins_or_ends_with_the_time_asked_for_makes_no_empty_time(context, noon):
    year = part2(
        provision("permit", to=["lakeside_hospital"], period={"start": "2026-09-01", "end": "2026-12-31"})
    )
    begins, ends = (datetime.fromisoformat(f"{day}T00:00:00-05:00") for day in ("2026-09-01", "2027-01-01"))
    ends += timedelta(hours=1)
    ((first, last, decision),) = intervals(of_program(year), viewer(), context, begins, ends)
    assert (first, last, decision.until) == (begins, ends, ends)
    assert intervals(of_program(year), viewer(), context, noon, begins) == []


def test_the_end_of_an_agreement_is_a_boundary(context, noon):
    before = noon - timedelta(days=10)
    ((_, ends, _),) = intervals(record(chosen()), viewer("lapsed_clinic"), context, before, noon)
    assert ends == context.participants["lapsed_clinic"].agreement_until


def test_a_rule_that_is_not_yet_in_force_opens_nothing(files, context, noon):
    text = files["policies/20-hipaa.yaml"].replace("from: 2003-04-14", "from: 2026-07-01", 1)
    later = Context(parse_rules({**files, "policies/20-hipaa.yaml": text}), context.participants)
    assert decide(record(chosen()), viewer(), later, noon).because == ("silence",)
    assert decide(record(chosen()), viewer(), later, noon + timedelta(days=40)).effect == "permit"


def test_ties_of_one_signature_are_read_the_strict_way(context, noon):
    same = {"dateTime": "2026-03-02"}
    tied = chosen(
        consent(id="a", provision=provision("permit", to=["lakeside_hospital"]), **same),
        consent(id="b", provision=provision("permit", to=["southside_clinic"]), **same),
    )
    assert decide(record(tied), viewer(), context, noon).effect == "deny"


def test_a_denial_in_one_chart_reaches_the_other(context, noon):
    doubtful = chosen(consent(provision={"type": "deny"}), certain=False)
    assert decide(record(doubtful), viewer(), context, noon).effect == "deny"


def test_a_research_consent_says_nothing_about_treatment(context, noon):
    scope = {"coding": [{**consent()["scope"]["coding"][0], "code": "research"}]}
    studied = chosen(consent(scope=scope, provision=provision("permit", purpose=["HRESCH"])))
    assert decide(record(studied), viewer(), context, noon).because[0] == "hipaa-treatment"


def test_the_repository_may_not_pretend_to_be_somebody_else(context, noon):
    posing = Viewer("exchange", "organization", "TREAT")
    assert decide(record(chosen()), posing, context, noon).because == ("unknown-role",)


@pytest.mark.parametrize(
    ("changes", "asking", "reason"),
    [
        ({"source": "left_the_exchange"}, {}, "unknown-source"),
        ({"confidentiality": "X"}, {}, "unknown-confidentiality"),
        ({"labels": ("HUSH",)}, {}, "unknown-label"),
        ({}, {"participant": "left_the_exchange"}, "unknown-participant"),
        ({}, {"role": "janitor"}, "unknown-role"),
        ({}, {"purpose": "CURIOSITY"}, "unknown-purpose"),
    ],
)
@pytest.mark.parametrize("own", [True, False], ids=["own record", "another's"])
def test_what_nobody_has_defined_closes(context, noon, own, changes, asking, reason):
    cls = replace(record(chosen(), source="lakeside_hospital" if own else "southside_clinic"), **changes)
    assert decide(cls, viewer(), context, noon).effect == ("permit" if not changes else "deny")
    found = decide(cls, replace(viewer(), **asking), context, noon)
    assert (found.effect, found.because) == ("deny", (reason,))


def test_a_hospital_may_not_ask_as_the_repository(context, noon):
    posing = Viewer("lakeside_hospital", "organization", "COLLECT")
    assert decide(record(chosen()), posing, context, noon).effect == "deny"


def test_a_circle_of_organizations_comes_to_an_end(context, noon):
    ring = {
        code: replace(context.participants["lakeside_hospital"], code=code, part_of=above)
        for code, above in (("a", "b"), ("b", "a"))
    }
    around = Context(context.rules, {**context.participants, **ring})
    refusing = chosen(consent(provision=provision("deny", to=["b"])))
    assert decide(record(refusing), viewer("a"), around, noon).effect == "deny"


@pytest.mark.parametrize("who", ["lakeside_hospital", "north_shelter", "county_health"])
def test_without_any_rules_nobody_sees_anything(files, context, noon, who):
    bare = {name: text for name, text in files.items() if not name.startswith("policies/")}
    empty = Context(parse_rules(bare), context.participants)
    assert decide(record(chosen()), viewer(who), empty, noon).effect == "deny"
    assert decide(record(chosen()), REPOSITORY, empty, noon).effect == "deny"


def test_declared_groups_count_beside_those_by_facts(context, noon):
    member = Participant(
        "team",
        "clinic",
        covered_entity=True,
        groups=("diabetes-team",),
        agreement_from=noon - timedelta(days=1),
    )
    wider = Context(context.rules, {**context.participants, "team": member})
    told = chosen(consent(provision=provision("permit", to=["group:diabetes-team"])))
    assert decide(record(told), viewer("team"), wider, noon).effect == "permit"
    assert decide(record(told), viewer(), wider, noon).effect == "deny"


def test_the_explanation_names_rule_source_and_provision(context, noon):
    told = part2(provision("permit", to=["lakeside_hospital"]))
    lines = explain(of_program(told), viewer(), context, noon, [["Consent/c1/_history/1"]])
    assert lines[0].startswith("lakeside_hospital for TREAT on 2026-06-01: permit Condition")
    assert any("42 CFR 2.31" in line for line in lines)
    assert "Consent/c1/_history/1 permits in Consent.provision." in lines
    assert any("prohibits unauthorized use" in line for line in lines)


def test_the_explanation_of_a_refusal_names_the_provision_that_refused(context, noon):
    told = chosen(consent(provision=provision("permit", provision("deny", label=["HIV"]))))
    lines = explain(record(told, "HIV"), viewer(), context, noon)
    assert "Statement 0 of the profile refuses in Consent.provision.provision[0]." in lines


def test_the_explanation_of_a_consent_that_leaves_somebody_out(context, noon):
    told = chosen(consent(provision=provision("permit", to=["southside_clinic"])))
    lines = explain(record(told), viewer(), context, noon)
    assert "Statement 0 of the profile does not reach this in Consent.provision." in lines


def test_an_emergency_does_not_open_records_that_may_be_two_peoples(context, noon):
    held = profile([(identity_hold(), True)])
    for purpose, who, effect in (
        ("BTG", "lakeside_hospital", "deny"),
        ("TREAT", "lakeside_hospital", "deny"),
        ("TREAT", "prairie_clinic", "permit"),
    ):
        assert decide(record(held), viewer(who, purpose), context, noon).effect == effect


@pytest.mark.parametrize("action", ["use", "correct", "collect", "banana"])
@pytest.mark.parametrize("labels", [(), ("SUD", "42CFRPart2"), ("SDV", "VAWA")])
def test_an_action_the_rules_do_not_speak_of_opens_nothing(context, noon, labels, action):
    """A law that asks for a consent to read would not be asked, and a general consent would open it."""
    cls = record(chosen(consent()), *labels, source="harbor_recovery")
    answer = decide(cls, viewer(), context, noon, action)
    assert (answer.effect, answer.because) == ("deny", ("unknown-action",))


def test_the_two_hours_that_are_called_the_same_are_two(context):
    """One o'clock comes twice on the day the clocks go back, and equals itself in its own zone."""
    ends = {"end": "2026-11-01T01:30:00-05:00"}
    cls = record(chosen(consent(provision=provision("permit", provision("deny", period=ends)))))
    first = datetime(2026, 11, 1, 1, 15, tzinfo=EXCHANGE_ZONE)
    for once, effect in ((first, "deny"), (first.replace(fold=1), "permit"), (first, "deny")):
        assert decide(cls, viewer(), context, once).effect == effect


def test_a_refusal_holds_in_an_emergency_where_one_of_the_laws_in_play_lifts_none(context, noon):
    """A school record that a clinic has: the broken glass of a school passes no refusal."""
    refused, glass = chosen(consent(provision={"type": "deny"})), viewer(purpose="BTG")
    for labels, effect in (((), "permit"), (("FERPA",), "deny")):
        assert decide(record(refused, *labels), glass, context, noon).effect == effect
    assert decide(record(chosen(), "FERPA"), glass, context, noon).effect == "permit"


def test_a_refusal_of_an_organization_reaches_what_is_below_it_however_deep(context, noon):
    hospital = context.participants["lakeside_hospital"]
    below = {
        "wing": replace(hospital, code="wing", part_of="lakeside_hospital"),
        "ward": replace(hospital, code="ward", part_of="wing"),
    }
    world = Context(context.rules, {**context.participants, **below})
    refused = chosen(consent(provision=provision("permit", provision("deny", to=["lakeside_hospital"]))))
    permitted = chosen(consent(provision=provision("permit", to=["lakeside_hospital"])))
    for who in ("lakeside_hospital", "wing", "ward"):
        assert decide(record(refused), viewer(who), world, noon).effect == "deny"
        named = "permit" if who == "lakeside_hospital" else "deny"
        assert decide(record(permitted), viewer(who), world, noon).effect == named
    assert decide(record(refused), viewer("southside_clinic"), world, noon).effect == "permit"


@pytest.mark.parametrize(
    ("who", "group", "effect"),
    [
        ("southside_clinic", "treating-providers", "permit"),
        ("cash_clinic", "treating-providers", "deny"),
        ("prairie_plan", "treating-providers", "deny"),
        ("prairie_plan", "treating-providers-plans-payers", "permit"),
        ("hearth_housing", "treating-providers-plans-payers", "deny"),
    ],
)
def test_a_class_of_recipients_is_who_has_its_facts(context, noon, who, group, effect):
    """A clinic outside HIPAA is none of the treating providers a form speaks of."""
    ends = {"end": "2027-01-01"}
    given = consent(
        category=[],
        policy=[{"uri": "https://mosaic-exchange.example/policy/authorization"}],
        provision=provision("permit", to=[f"group:{group}"], period=ends),
    )
    assert decide(record(chosen(given)), viewer(who), context, noon).effect == effect

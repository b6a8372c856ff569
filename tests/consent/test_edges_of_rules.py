"""Where one word in the rules, or in how they are read, makes the difference."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from exchange.consent import (
    REPOSITORY,
    Context,
    Participant,
    decide,
    directive,
    intervals,
    parse_rules,
    profile,
)
from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.directives.normal_form import UNRESOLVED, Member
from exchange.consent.proof.case_consents import ConsentForm, Terms, consent_of, resolve_case
from exchange.consent.standing import standing
from exchange.model.records import Viewer
from tests.consent.builders import chosen, consent, provision, record, viewer

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
YEAR = {"end": "2027-01-01"}


def of(*categories, **changes):
    """A consent that speaks in the domains of several categories."""
    named = [{"coding": [{"system": ACT_CODE, "code": code}]} for code in categories]
    return chosen(consent(category=named, policy=None, **changes))


def with_policy(files, context, name, old, new):
    text = files[name].replace(old, new, 1)
    assert text != files[name]
    return Context(parse_rules({**files, name: text}), context.participants)


def test_an_emergency_lifts_a_refusal_only_if_it_lifts_each_of_its_domains(context, noon):
    """A refusal in a general and a research consent at once is more than a general one."""
    research = {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "research"}
    both = consent(
        category=[{"coding": [research]}, {"coding": [{"system": ACT_CODE, "code": "HIPAAAuthCD"}]}],
        policy=None,
        provision={"type": "deny"},
    )
    general = consent(provision={"type": "deny"})
    broken = viewer(purpose="BTG")
    assert decide(record(chosen(general)), broken, context, noon).effect == "permit"
    assert decide(record(chosen(both)), broken, context, noon).effect == "deny"


def test_a_consent_of_two_domains_counts_in_each_of_them(context, noon):
    given = of(
        "42CFRPart2CD",
        "HIPAAAuthCD",
        organization=[{"reference": "Organization/prairie_clinic"}],
        provision=provision("permit", to=["north_shelter"], period=YEAR),
    )
    asked = viewer("north_shelter", "COC")
    assert decide(record(given), asked, context, noon).effect == "permit"
    assert decide(record(given, "42CFRPart2", "SUD"), asked, context, noon).effect == "permit"


def test_a_consent_opens_and_limits_where_one_of_its_domains_does(context, noon):
    """HIPAAAuthCD opens and 42CFRPart2CD does not; general limits and a notice does not."""
    opening = of(
        "42CFRPart2CD",
        "HIPAAAuthCD",
        organization=[{"reference": "Organization/prairie_clinic"}],
        provision=provision("permit", to=["lakeside_hospital"], purpose=["HMARKT"], period=YEAR),
    )
    assert decide(record(opening), viewer(purpose="HMARKT"), context, noon).effect == "permit"


def test_the_consent_that_names_the_recipient_waives_the_relationship_beside_one_that_does_not(context, noon):
    pair = [
        consent(
            id=name,
            policy=[{"uri": f"https://mosaic-exchange.example/policy/{name}"}],
            provision=provision("permit", to=to, period=YEAR),
        )
        for name, to in (("authorization", ["north_shelter"]), ("referral", ["group:coalition"]))
    ]
    answer = decide(record(chosen(*pair)), viewer("north_shelter", "COC"), context, noon)
    assert (answer.effect, answer.needs_relationship) == ("permit", False)


def test_a_denial_of_a_group_reaches_the_departments_of_its_members(context, noon):
    parent = replace(context.participants["lakeside_hospital"], groups=("partners",))
    department = replace(context.participants["lakeside_emergency"], type="other")
    around = Context(
        context.rules, {**context.participants, parent.code: parent, department.code: department}
    )
    known = standing(Viewer(department.code, "organization", "TREAT"), around)
    assert known is not None
    assert "group:partners" in known.wider - known.names


def test_a_role_nobody_gave_the_participant_is_told_by_the_standing_too(context):
    assert standing(Viewer("prairie_clinic", "physician", "TREAT"), context) is None


def test_an_agreement_holds_from_its_first_instant_until_before_its_last(noon):
    later = noon + timedelta(days=1)
    bound = Participant("x", "clinic", agreement_from=noon, agreement_until=later)
    assert bound.bound_at(noon)
    assert bound.bound_at(later - timedelta(microseconds=1))
    assert not bound.bound_at(later)


@pytest.mark.parametrize(("day", "effect"), [("2026-06-30", "permit"), ("2026-07-01", "deny")])
def test_a_rule_counts_through_the_whole_of_its_last_day(files, context, day, effect):
    until = "in_force: {from: 2003-04-14, until: 2026-06-30}"
    ending = with_policy(files, context, "policies/20-hipaa.yaml", "in_force: {from: 2003-04-14}", until)
    late = datetime.fromisoformat(f"{day}T23:59").replace(tzinfo=EXCHANGE_ZONE)
    midnight = datetime(2026, 7, 1, tzinfo=EXCHANGE_ZONE)
    assert decide(record(chosen()), viewer(), ending, late).effect == effect
    assert decide(record(chosen()), viewer(), ending, midnight).effect == "deny"
    permits = intervals(record(chosen()), viewer(), ending, late - timedelta(days=9), late)
    assert {end for _, end, _ in permits} == ({late} if effect == "permit" else {midnight})


@pytest.mark.parametrize(("label", "effect"), [("ETHUD", "deny"), ("HIV", "permit")])
def test_a_rule_about_a_label_is_about_what_lies_within_it(files, context, noon, label, effect):
    shut = with_policy(
        files,
        context,
        "policies/20-hipaa.yaml",
        "record: {label: [PSYTHPN, HIPAAPsyNotes]}",
        "record: {label: [PSYTHPN, HIPAAPsyNotes, SUD]}",
    )
    assert decide(record(chosen(), label), viewer(), shut, noon).effect == effect


@pytest.mark.parametrize(("level", "effect"), [("N", "permit"), ("R", "deny"), ("V", "deny")])
def test_a_rule_from_a_level_on_counts_at_that_level(files, context, noon, level, effect):
    shut = with_policy(
        files,
        context,
        "policies/20-hipaa.yaml",
        "record: {label: [PSYTHPN, HIPAAPsyNotes]}",
        "record: {at_least: R}",
    )
    assert decide(record(chosen(), confidentiality=level), viewer(), shut, noon).effect == effect


def test_a_row_of_minors_care_counts_on_its_last_day_and_everywhere(files, rules):
    row = "*,GDIS,12,2020-01-01,2026-03-02,ours,ours,\n"
    minors = parse_rules({**files, "minors.csv": files["minors.csv"] + row}).minors

    def own(day, state="IL"):
        start = datetime.fromisoformat(day).replace(tzinfo=EXCHANGE_ZONE)
        when = Span(start, start + timedelta(days=1))
        return minors.own_care({"GDIS"}, ["2012-01-15"], when, state) is not None

    assert own("2026-03-02")
    assert not own("2026-03-03")
    assert own("2026-03-02", state="IN")


def test_a_code_taken_out_of_a_broader_row_reveals_nothing(rules):
    """F17, tobacco, lies among the disorders of use and is none."""
    assert rules.lists.of_code("http://hl7.org/fhir/sid/icd-10-cm", "F17.210") == ()


def test_a_team_with_one_member_nobody_can_tell_is_denied_to_everybody():
    team = {"type": "deny", "actor": [{"reference": {"reference": "CareTeam/t"}}]}
    half = directive(consent(provision=team), resolve=lambda _: [Member("prairie_clinic"), None])
    whole = directive(consent(provision=team), resolve=lambda _: [Member("prairie_clinic")])
    assert half.root is not None
    assert whole.root is not None
    assert (half.root.actors, whole.root.actors) == ((UNRESOLVED,), ())


def test_a_concept_of_words_alone_is_one_that_could_not_be_read(context, noon):
    """Its denial reaches everything, and its permit nothing."""
    for kind in ("permit", "deny"):
        tree = provision(kind, action=[{"text": "look"}])
        read = directive(consent(provision=tree), resolve=resolve_case)
        assert read.root is not None
        assert read.root.actions == (UNRESOLVED,)
        assert decide(record(profile([(read, True)])), viewer(), context, noon).effect == "deny"


def test_a_denial_by_a_code_that_could_not_be_read_matches_every_record():
    tree = provision("deny", code=[{"text": "something private"}])
    prof = chosen(consent(provision=tree))
    assert record(prof).matched == (0,)


def test_a_consent_signed_until_the_very_moment_of_the_newest_is_older():
    day = consent(id="a", dateTime="2026-03-01", provision={"type": "deny"})
    midnight = consent(id="b", dateTime="2026-03-02T00:00:00-06:00")
    assert [s.root.type for s in chosen(day, midnight).statements] == ["permit"]


def test_what_no_law_allows_or_asks_for_opens_with_a_consent_of_which_one_domain_opens(context, noon):
    given = of(
        "42CFRPart2CD",
        "HIPAAAuthCD",
        organization=[{"reference": "Organization/county_health"}],
        provision=provision("permit", to=["prairie_plan"]),
    )
    asked = viewer("prairie_plan", "HPAYMT")
    assert decide(record(given, source="county_health"), asked, context, noon).effect == "permit"
    assert decide(record(chosen(), source="county_health"), asked, context, noon).effect == "deny"


@pytest.mark.parametrize("turned", [False, True])
def test_whom_the_root_names_and_when_it_ends_holds_for_what_is_below(context, noon, turned):
    """HIV goes to a shelter under a release that names it and ends; the inner permits say neither."""
    inner = [provision("permit", label=["HIV"]), provision("permit", label=["HIV"], to=["north_shelter"])]
    tree = provision(
        "permit", *(reversed(inner) if turned else inner), to=["north_shelter"], period={"end": "2027-01-01"}
    )
    policy = [{"uri": "https://mosaic-exchange.example/policy/authorization"}]
    given = chosen(consent(policy=policy, provision=tree))
    answer = decide(record(given, "HIV"), viewer("north_shelter", "COC"), context, noon)
    assert (answer.effect, answer.needs_relationship) == ("permit", False)


@pytest.mark.parametrize("kind", ["Organization", "Location", "Practitioner", "Medication", "Questionnaire"])
def test_what_is_about_a_person_is_no_entry_of_the_directory(context, noon, kind):
    def asked(about):
        cls = record(about, content={"resourceType": kind})
        return decide(cls, viewer("prairie_plan", "TREAT"), context, noon).effect

    assert (asked(None), asked(chosen())) == ("permit", "deny")


@pytest.mark.parametrize("label", ["HIV", "MH", "GDIS"])
def test_a_release_in_illinois_names_who_gets_it_and_ends_whoever_holds_the_record(context, noon, label):
    """A housing record is under no HIPAA authorization, and still its release names and ends."""
    home = ConsentForm(kind="hmis", of="hearth_housing", permit=Terms())

    def asked(**terms):
        release = ConsentForm(kind="authorization", of="hearth_housing", permit=Terms(**terms))
        given = chosen(consent_of(home, 1), consent_of(release, 2))
        cls = record(given, "HMIS", "LIVARG", label, source="hearth_housing")
        return decide(cls, viewer("good_table", "COC"), context, noon).effect

    end = {"until": date(2027, 1, 1)}
    assert asked(to=("good_table",), **end) == "permit"
    assert asked(**end) == "deny"
    assert asked(to=("good_table",)) == "deny"


@pytest.mark.parametrize(("code", "held"), [("npp", False), ("research", True)])
def test_a_notice_that_was_shown_is_no_reason_to_hold_what_a_general_consent_leaves_out(
    context, noon, code, held
):
    limited = consent(provision=provision("permit", label=["HIV"]))
    system = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
    policy = [{"uri": "https://example.org/of-no-domain"}]
    other = consent(id="b", category=[{"coding": [{"system": system, "code": code}]}], policy=policy)
    found = decide(record(chosen(limited, other), "STD"), REPOSITORY, context, noon)
    assert (found.effect == "permit") is held

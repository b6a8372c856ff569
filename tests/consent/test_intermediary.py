"""42 CFR 2.31(a)(4)(ii): an intermediary passes on what a consent lets it pass on by name."""

import pytest

from exchange.consent import Context, decide, parse_rules
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.prover import prove
from exchange.consent.standing import REPOSITORY
from exchange.model.records import Viewer
from tests.consent.builders import chosen, consent, provision, record

PART2 = {
    "policy": [{"uri": "https://mosaic-exchange.example/policy/part2"}],
    "organization": [{"reference": "Organization/harbor_recovery"}],
}
BY_CLASS, BY_NAME = "group:treating-providers-plans-payers", "lakeside_hospital"


@pytest.fixture(scope="module")
def switched_on(files):
    text = files["vocabulary.yaml"]
    on = text.replace(
        "\npacks: [exchange, us-federal,", "\npacks: [exchange, us-federal, part2-intermediary,"
    )
    on = on.replace("packs_off: [part2-intermediary]\n", "")
    assert "\npacks_off" not in on
    assert on.count("part2-intermediary,") == 2
    return {**files, "vocabulary.yaml": on}


@pytest.fixture(scope="module")
def intermediary(switched_on, context) -> Context:
    return Context(parse_rules(switched_on), context.participants)


def answer(context, noon, *to, who="lakeside_hospital", purpose="TREAT"):
    given = chosen(consent(provision=provision("permit", to=to), **PART2))
    cls = record(given, "42CFRPart2", "SUD", source="harbor_recovery")
    return decide(cls, Viewer(who, "organization", purpose), context, noon)


@pytest.mark.parametrize(
    ("to", "who", "purpose", "effect", "because"),
    [
        ([BY_CLASS], "lakeside_hospital", "TREAT", "deny", "part2-intermediary-named"),
        ([BY_CLASS, "exchange"], "lakeside_hospital", "TREAT", "permit", "part2-intermediary-named"),
        ([BY_NAME], "lakeside_hospital", "TREAT", "deny", "part2-intermediary-named"),
        ([BY_NAME, "exchange"], "lakeside_hospital", "TREAT", "permit", "part2-intermediary-named"),
        ([BY_CLASS, "exchange"], "prairie_plan", "HPAYMT", "deny", "part2-intermediary-by-name"),
        (["prairie_plan", "exchange"], "prairie_plan", "HPAYMT", "permit", "part2-intermediary-by-name"),
        ([BY_CLASS, "exchange"], "lakeside_hospital", "BTG", "permit", "part2-emergency"),
    ],
)
def test_an_intermediary_passes_on_what_names_it(intermediary, noon, to, who, purpose, effect, because):
    given = answer(intermediary, noon, *to, who=who, purpose=purpose)
    assert (given.effect, because in given.because) == (effect, True)


def test_a_business_associate_needs_not_be_named(context, noon):
    assert answer(context, noon, BY_CLASS).effect == "permit"


def test_whom_only_a_class_names_must_be_treating_the_patient(intermediary, noon):
    def asked(*to):
        return answer(intermediary, noon, *to)

    assert "part2-intermediary-treating" in asked(BY_CLASS, "exchange").because
    assert "part2-intermediary-treating" not in asked(BY_NAME, "exchange").because


def test_an_intermediary_takes_records_in_without_being_named(intermediary, noon):
    """What the rules say is about passing on."""
    cls = record(chosen(), "42CFRPart2", "SUD", source="harbor_recovery")
    assert decide(cls, REPOSITORY, intermediary, noon).effect == "permit"


@pytest.mark.parametrize(("who", "effect"), [("county_health", "permit"), ("lakeside_hospital", "deny")])
def test_vital_statistics_are_reported_whoever_passes_them_on(intermediary, noon, who, effect):
    cls = record(chosen(), "42CFRPart2", "SUD", "VITAL", source="harbor_recovery")
    assert decide(cls, Viewer(who, "organization", "PUBHLTH"), intermediary, noon).effect == effect


def test_an_intermediary_asks_for_no_treatment_where_no_program_is_in_play(intermediary, noon):
    reported = decide(
        record(chosen()), Viewer("county_health", "organization", "PUBHLTH"), intermediary, noon
    )
    assert (reported.effect, reported.needs_relationship) == ("permit", False)


def test_an_exception_that_names_the_exchange_is_no_permission_to_pass_on(intermediary, noon):
    tree = provision("permit", provision("deny", to=["exchange"], purpose=["HRESCH"]), to=[BY_NAME])
    cls = record(chosen(consent(provision=tree, **PART2)), "42CFRPart2", "SUD", source="harbor_recovery")
    assert decide(cls, Viewer(BY_NAME, "organization", "TREAT"), intermediary, noon).effect == "deny"


def test_the_proof_knows_that_a_consent_may_name_the_exchange(switched_on, intermediary, noon):
    """Without it the rule would look as if nothing opened it, and every promise behind it as if kept."""
    promise = """
invariants:
  - id: never
    title: No hospital ever sees Part 2 records of others for treatment
    citation: none
    steward: privacy-office
    review_by: 2027-06-30
    when:
      action: [access]
      purpose: [TREAT]
      requester: {type: [hospital], is_source: false}
      record: {label: [42CFRPart2]}
    never: permit
"""
    others = {n: text for n, text in switched_on.items() if not n.startswith("invariants/")}
    written = read_invariants({**others, "invariants/x.yaml": promise}, intermediary.rules.vocabulary)
    (proved,) = prove(written, intermediary.rules, noon)
    assert proved.counterexample is not None
    assert any("names the exchange too" in one.words for one in proved.counterexample.consents)

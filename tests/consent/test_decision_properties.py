"""Whatever people choose: order never matters, a refusal never opens, the unknown is closed."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.consent import decide, directive, intervals, profile
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.records import Viewer
from tests.consent.builders import consent, provision, record

RECIPIENTS = ["lakeside_hospital", "southside_clinic", "north_shelter", "group:treating-providers", "gone"]
PURPOSES = ["TREAT", "COC", "HPAYMT", "HOPERAT", "BTG", "HLEGAL", "PUBHLTH", "HRESCH"]
LABELS = ["HIV", "SUD", "ETH", "OPIOIDUD", "MH", "R", "N"]
KINDS = ["general", "part2", "authorization", "hmis", "research"]


def some(values):
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


def trees(kind):
    terms = st.fixed_dictionaries({"to": some(RECIPIENTS), "purpose": some(PURPOSES), "label": some(LABELS)})
    node = st.tuples(kind, terms)
    leaf = node.map(lambda pair: provision(pair[0], **pair[1]))
    return st.recursive(
        leaf,
        lambda below: st.tuples(node, st.lists(below, min_size=1, max_size=3)).map(
            lambda pair: provision(pair[0][0], *pair[1], **pair[0][1])
        ),
        max_leaves=5,
    )


EITHER = st.sampled_from(["permit", "deny"])


def consents(kind=EITHER):
    return st.builds(
        lambda tree, domain, source, day: consent(
            provision=tree,
            policy=[{"uri": f"https://mosaic-exchange.example/policy/{domain}"}],
            organization=[{"reference": f"Organization/{source}"}],
            dateTime=f"2026-03-{day:02}",
        ),
        trees(kind),
        st.sampled_from(KINDS),
        st.sampled_from(["prairie_clinic", "harbor_recovery"]),
        st.integers(1, 28),
    )


records = st.builds(
    lambda labels, source: (labels, source),
    st.lists(
        st.sampled_from(["HIV", "SUD", "OPIOIDUD", "MH", "42CFRPart2", "HMIS"]), unique=True, max_size=3
    ),
    st.sampled_from(["prairie_clinic", "harbor_recovery", "hearth_housing", "county_health"]),
)
viewers = st.builds(
    lambda who, purpose: Viewer(who, "organization", purpose),
    st.sampled_from(["lakeside_hospital", "southside_clinic", "north_shelter", "county_health"]),
    st.sampled_from(PURPOSES),
)
many = settings(max_examples=75, suppress_health_check=[HealthCheck.too_slow])


def asked(choices, facts, viewer, context, at):
    labels, source = facts
    read = profile([(directive(one, resolve=resolve_case), certain) for one, certain in choices])
    return decide(record(read, *labels, source=source), viewer, context, at)


def mirrored(tree):
    children = [mirrored(child) for child in reversed(tree.get("provision", []))]
    return {**tree, "provision": children} if children else tree


@many
@given(st.lists(consents(), max_size=3), records, viewers)
def test_the_order_of_consents_and_siblings_never_matters(context, noon, choices, facts, viewer):
    forward = asked([(one, True) for one in choices], facts, viewer, context, noon)
    turned = [({**one, "provision": mirrored(one["provision"])}, True) for one in reversed(choices)]
    backward = asked(turned, facts, viewer, context, noon)
    assert (forward.effect, forward.obligations) == (backward.effect, backward.obligations)


@many
@given(st.lists(consents(), max_size=3), trees(st.just("deny")), records, viewers)
def test_one_more_refusal_never_opens_anything(context, noon, choices, refusal, facts, viewer):
    def only_deny(tree):
        return {**tree, "type": "deny", "provision": [only_deny(c) for c in tree.get("provision", [])]}

    before = [(one, True) for one in choices]
    more = (consent(provision=only_deny(refusal), organization=[{"reference": "Organization/other"}]), True)
    if asked([*before, more], facts, viewer, context, noon).effect == "permit":
        assert asked(before, facts, viewer, context, noon).effect == "permit"


@many
@given(consents(), records, viewers, st.lists(st.sampled_from(LABELS), min_size=1, max_size=2))
def test_one_more_refusal_inside_a_permit_never_opens_anything(context, noon, choice, facts, viewer, labels):
    children = [*choice["provision"].get("provision", []), provision("deny", label=labels)]
    stricter = {**choice, "provision": {**choice["provision"], "provision": children}}
    if asked([(stricter, True)], facts, viewer, context, noon).effect == "permit":
        assert asked([(choice, True)], facts, viewer, context, noon).effect == "permit"


@many
@given(st.lists(consents(), max_size=3), records, viewers)
def test_doubt_about_the_person_never_opens_anything_the_law_keeps_shut(
    context, noon, choices, facts, viewer
):
    doubtful = asked([(one, False) for one in choices], facts, viewer, context, noon)
    if doubtful.effect == "permit":
        assert asked([], facts, viewer, context, noon).effect == "permit"


@many
@given(st.lists(consents(), max_size=2), records, viewers)
def test_a_label_nobody_knows_closes_everything(context, noon, choices, facts, viewer):
    labels, source = facts
    given_ = asked([(one, True) for one in choices], ([*labels, "HUSH"], source), viewer, context, noon)
    assert given_.because == ("unknown-label",)


@many
@given(st.lists(consents(), max_size=2), records, viewers)
def test_one_more_label_never_opens_anything(context, noon, choices, facts, viewer):
    labels, source = facts
    more = asked([(one, True) for one in choices], ([*labels, "SDV"], source), viewer, context, noon)
    if more.effect == "permit" and viewer.participant != source:
        plain = asked([(one, True) for one in choices], facts, viewer, context, noon)
        assert plain.effect == "permit" or not labels


@many
@given(st.lists(consents(), max_size=2), records, viewers)
def test_the_intervals_say_what_the_decision_says(context, noon, choices, facts, viewer):
    labels, source = facts
    read = profile([(directive(one, resolve=resolve_case), True) for one in choices])
    cls = record(read, *labels, source=source)
    found = intervals(cls, viewer, context, noon, noon + timedelta(days=400))
    at = noon + timedelta(days=100)
    inside = [replace(decision, until=None) for begins, ends, decision in found if begins <= at < ends]
    now = replace(decide(cls, viewer, context, at), until=None)
    assert inside == ([now] if now.effect == "permit" else [])

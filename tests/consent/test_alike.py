"""Who is decided alike gets what decide() itself gives each of them."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from exchange.consent import REPOSITORY, Context, DisclosureClass, directive, intervals, profile
from exchange.consent.alike import permits_of_all
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.directives.normal_form import Member
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.errors import RecordRejected
from exchange.model.records import Viewer
from tests.consent.builders import consent
from tests.consent.test_plain_evaluator import ATOMS, random_consent

START = datetime(2026, 5, 31, 12, tzinfo=EXCHANGE_ZONE)
HORIZON = START + timedelta(days=700)
PURPOSES = ["TREAT", "BTG", "HPAYMT", "HOPERAT", "PUBHLTH", "COC", "HRESCH"]


@pytest.fixture(scope="module")
def grown(context) -> Context:
    """The participants of the cases, each with a twin who differs in name alone and one who is part of it."""
    found = dict(context.participants)
    for code, one in context.participants.items():
        found[f"{code}_twin"] = replace(one, code=f"{code}_twin", npi="1999999984")
        found[f"{code}_ward"] = replace(one, code=f"{code}_ward", part_of=code, groups=("coalition",))
    return Context(context.rules, found)


def _profile(rng):
    signed = []
    for number in range(rng.choice([1, 1, 2])):
        try:
            signed.append((directive(random_consent(rng, number), resolve=resolve_case), rng.random() < 0.8))
        except RecordRejected:
            continue
    return profile(signed)


def random_classes(seed, context, count):
    """Each with the same class of its source's twin, which a consent that names the source does not reach."""
    rng = random.Random(seed)
    disclosers = ["prairie_clinic", "harbor_recovery"]
    codes = [*context.participants, "never_registered", *disclosers * 20]
    pool = [_profile(rng) for _ in range(count // 3)]
    for number in range(0, count, 2):
        labels = rng.sample([*ATOMS, "42CFRPart2"], rng.choice([0, 0, 1, 2]))
        directives = None if rng.random() < 0.1 else rng.choice(pool)
        matched = tuple(n for n in range(3) if rng.random() < 0.3)
        kind = rng.choice(["Observation", "Condition", "Location", "Patient", "Claim", "Consent"])
        level = rng.choice("RV") if labels else "N"
        one = DisclosureClass(rng.choice(codes), kind, level, tuple(sorted(labels)), directives, matched)
        yield number, one
        yield number + 1, replace(one, source=f"{one.source}_twin")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_everybody_is_permitted_what_he_would_be_by_himself(grown, seed):
    rng = random.Random(seed)
    found = dict(random_classes(seed, grown, 120))
    viewers = [REPOSITORY] + [
        Viewer(code, one.roles[0], rng.choice(PURPOSES)) for code, one in grown.participants.items()
    ]
    given = {
        (alike.number, viewer, action): alike.permits
        for alike in permits_of_all(found, viewers, grown, START, HORIZON)
        for viewer in alike.viewers
        for action in (("access", "disclose") if alike.action == "any" else (alike.action,))
    }
    alone = {
        (number, viewer, action): permits
        for number, cls in found.items()
        for viewer in viewers
        for action in ("access", "disclose")
        if (
            permits := intervals(cls, viewer, grown, START, HORIZON, None if viewer == REPOSITORY else action)
        )
    }
    assert given == alone
    assert len(given) > 300  # there was something to compare


@pytest.mark.parametrize("kind", ["deny", "permit"])
@pytest.mark.parametrize(
    ("resolved", "reached"),
    [
        ("lakeside_hospital", {"deny": {"ward"}, "permit": set()}),
        ([Member("ward")], {"deny": {"ward"}, "permit": {"ward"}}),
        ([Member("lakeside_hospital")], {"deny": {"ward"}, "permit": set()}),
    ],
    ids=["above him", "his team", "a team above him"],
)
def test_whom_a_consent_reaches_is_not_decided_with_who_is_otherwise_like_him(
    context, kind, resolved, reached
):
    ward = replace(context.participants["lakeside_emergency"], code="ward")
    parts = {"ward": ward, "other": replace(ward, code="other", part_of=None)}
    grown = Context(context.rules, {**context.participants, **parts})
    named = {"type": kind, "actor": [{"reference": {"reference": "CareTeam/t"}}]}
    given = directive(consent(provision=named), resolve=lambda _: resolved)
    cls = DisclosureClass("prairie_clinic", "Condition", "N", (), profile([(given, True)]))
    for order in (("ward", "other"), ("other", "ward")):
        asking = [Viewer(code, "organization", "TREAT") for code in order]
        found = permits_of_all({1: cls}, asking, grown, START, HORIZON)
        permitted = {viewer.participant for alike in found if alike.permits for viewer in alike.viewers}
        assert permitted == ({"ward", "other"} - reached["deny"] if kind == "deny" else reached["permit"])

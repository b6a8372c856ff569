"""The promises are proved over everything that can be asked, and a broken one shows its least example."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from exchange.consent import Participant, parse_rules, ruling
from exchange.consent.proof.archetypes import permits, refusals
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.prover import decision_for, facts_at, prove, violates
from exchange.consent.proof.space import ABOVE, SOURCE, Point, Search, points
from exchange.consent.proof.words import sentences
from exchange.model.errors import ContentError
from exchange.model.partner import OrganizationType

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SIGNED = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def invariants(files, rules):
    return {w.invariant.id: w for w in read_invariants(files, rules.vocabulary)}


def _without(files, file, rule_id):
    """The files with one rule taken out of its file."""
    before, after = files[file].split(f"  - id: {rule_id}\n")
    rest = after.partition("\n  - id: ")
    return parse_rules({**files, file: before + (f"  - id: {rest[2]}" if rest[1] else "")})


def test_every_promise_holds_for_the_rules_as_they_are(invariants, rules):
    broken = [
        p.written.invariant.id for p in prove(list(invariants.values()), rules, NOW) if p.counterexample
    ]
    assert broken == []
    assert len(invariants) >= 20


@pytest.mark.parametrize(
    "file, rule, promise, labels, consents",
    [
        ("policies/30-part2.yaml", "part2-consent", "part2-needs-its-consent", ("42CFRPart2",), 0),
        ("policies/30-part2.yaml", "part2-proceedings", "part2-not-in-proceedings", ("42CFRPart2",), 1),
        ("policies/50-social-care.yaml", "vawa-no-collection", "victim-services-reach-nobody", (), 0),
        ("policies/20-hipaa.yaml", "hipaa-self-pay", "self-pay-stays-from-the-plan", ("HIPAASelfPay",), 0),
        ("policies/10-exchange.yaml", "care-relationship", "treatment-needs-a-relationship", (), 0),
        ("policies/10-exchange.yaml", "own-records", "own-records-stay-open", (), None),
    ],
)
def test_a_rule_taken_away_breaks_its_promise_with_the_least_example(
    files, invariants, file, rule, promise, labels, consents
):
    fewer = _without(files, file, rule)
    (proved,) = prove([invariants[promise]], fewer, NOW)
    found = proved.counterexample
    assert found is not None
    assert found.point.labels == labels
    assert consents is None or len(found.consents) == consents
    assert violates(invariants[promise].invariant, found.point, found.consents, fewer)


def test_a_decision_that_lets_a_flawed_consent_open_breaks_a_promise(invariants, rules, monkeypatch):
    """One given for somebody who is perhaps not the person, or for another program's records."""

    def any_permit(voice, source, vocabulary):
        return voice.answer.verdict == "permit" and bool(voice.opens_in)

    monkeypatch.setattr(ruling, "may_open", any_permit)
    (proved,) = prove([invariants["part2-needs-its-consent"]], rules, NOW)
    assert proved.counterexample is not None
    assert [consent.flaw for consent in proved.counterexample.consents] in (["uncertain"], ["other-source"])


def test_the_example_is_told_in_sentences(files, invariants):
    fewer = _without(files, "policies/30-part2.yaml", "part2-consent")
    (proved,) = prove([invariants["part2-needs-its-consent"]], fewer, NOW)
    told = sentences(proved.counterexample, fewer)
    assert told[0] == (
        "A hospital (a covered entity, in IL, agreement QSOA) asks to access for TREAT as organization"
        " on 2026-11-26."
    )
    assert "labelled 42CFRPart2" in told[1]
    assert any("(hipaa-treatment; 45 CFR 164.506(c)(2))" in sentence for sentence in told)


def _random_point(random: Random, rules) -> Point:
    """Any request at all, with as many labels as come."""
    types = list(OrganizationType.__args__)
    vocabulary = rules.vocabulary

    def party(code, above):
        return Participant(
            code=code,
            type=random.choice(types),
            covered_entity=random.random() < 0.5,
            part2_program=random.random() < 0.3,
            part_of=above,
            state=random.choice(("IL", "IN", "WI")),
            agreement=random.choice(("participation", "QSOA", "BAA")),
            agreement_from=SIGNED if random.random() < 0.9 else None,
        )

    source = party(SOURCE, None)
    telling = ["42CFRPart2", "HIV", "HMIS", "VAWA", "PSYTHPN", "HIPAASelfPay", "ADOL", "SUD", "MH", "STD"]
    labels = random.sample(telling, random.randrange(4)) + random.sample(sorted(vocabulary.atoms), 1)
    return Point(
        source=source,
        requester=source if random.random() < 0.2 else party("requester", ABOVE),
        role="organization",
        purpose=random.choice(list(vocabulary.granted)),
        action=random.choice(("access", "disclose")),
        type=random.choice(("Observation", "Organization", "Patient")),
        about=random.choice(("person", "person", "person", "nobody")),
        confidentiality=random.choice(list(vocabulary.levels)),
        labels=tuple(dict.fromkeys(random.sample(labels, random.randrange(len(labels) + 1)))),
        at=NOW,
    )


def test_no_request_drawn_at_random_breaks_what_was_proved(invariants, rules):
    random = Random(20261126)
    every = (*permits(rules), *refusals(rules))
    for _ in range(1500):
        point = _random_point(random, rules)
        given = tuple(random.sample(every, random.randrange(4))) if point.about == "person" else ()
        broken = [w.invariant.id for w in invariants.values() if violates(w.invariant, point, given, rules)]
        assert broken == [], (point, [c.words for c in given])


def test_another_permit_never_closes_and_another_refusal_never_opens(rules):
    """What lets the proof try the worst set of consents instead of all sets."""
    random = Random(7)
    tried = 0
    for _ in range(1500):
        point = replace(_random_point(random, rules), about="person")
        given = tuple(random.sample(permits(rules), random.randrange(3)))
        before = decision_for(point, given, rules)
        permit, refusal = random.choice(permits(rules)), random.choice(refusals(rules))
        if before.effect == "permit":
            assert decision_for(point, (*given, permit), rules).effect == "permit"
            tried += 1
        else:
            assert decision_for(point, (*given, refusal), rules).effect == "deny"
    assert tried > 50


@pytest.mark.slow
def test_the_space_holds_every_set_of_rules_that_any_request_meets(rules):
    """A request drawn at random meets a set of rules that some point of the space meets, too."""
    closed = sum(1 << i for i, r in enumerate(rules.rules) if r.policy.effect == "prohibited")
    known = {point.rules for point in points(Search(rules, NOW, closed=closed))}
    random, met = Random(3), 0
    for _ in range(3000):
        point = _random_point(random, rules)
        point = replace(point, labels=point.labels[:1])
        applying = _applying(point, rules)
        if not applying & closed:
            met += 1
            assert applying in known
    assert met > 300


def _applying(point: Point, rules) -> int:
    atom = next((label for label in point.labels if label in rules.vocabulary.atoms), None)
    facts = facts_at(point, atom)
    in_force = rules.slices[rules.in_force(NOW)]
    return sum(1 << i for i, rule in enumerate(rules.rules) if rule in in_force and rule.applies(facts))


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("label: [42CFRPart2]", "label: [42CFRPart3]", "42CFRPart2"),
        ("domain: [part2]", "domain: [part3]", "part2"),
        ("never: permit", "never: permit\n    always: {relationship: true}", "and not both"),
        ("id: part2-carries-its-notice", "id: part2-needs-its-consent", "two invariants"),
    ],
)
def test_a_promise_that_cannot_be_read_names_its_line(files, rules, old, new, told):
    name = "invariants/10-promises.yaml"
    broken = {**files, name: files[name].replace(old, new, 1)}
    with pytest.raises(ContentError, match=told) as caught:
        read_invariants(broken, rules.vocabulary)
    assert caught.value.file == name
    assert caught.value.line

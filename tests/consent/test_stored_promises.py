"""A permit in force that breaks a promise is found, with its class, its viewer and what permits it."""

from dataclasses import replace

import pytest

from exchange.consent import Context, DisclosureClass, decide
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.stored import Shown, breaches, smallest
from exchange.consent.proof.words import breach_sentences
from exchange.model.records import Viewer
from tests.consent.builders import chosen, consent, provision
from tests.consent.test_alike import random_classes

PART2 = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2CD"}]}]


def _permits(classes, context, at):
    for number, cls in classes.items():
        for code, one in context.participants.items():
            for purpose in ("TREAT", "BTG", "PUBHLTH", "HOPERAT", "HLEGAL", "COC"):
                viewer = Viewer(code, one.roles[0], purpose)
                answer = decide(cls, viewer, context, at)
                if answer.effect == "permit":
                    yield Shown(number, viewer, answer.needs_relationship, answer.obligations, answer.because)


@pytest.fixture(scope="module")
def invariants(files, rules):
    return read_invariants(files, rules.vocabulary)


@pytest.fixture(scope="module")
def part2() -> DisclosureClass:
    """A program's record, of a person whose consent names the hospital."""
    signed = consent(
        category=PART2,
        policy=[{"uri": "https://mosaic-exchange.example/policy/part2"}],
        organization=[{"reference": "Organization/harbor_recovery"}],
        performer=[{"reference": "Patient/p1"}],
        provision=provision("permit", to=["lakeside_hospital"], purpose=["TREAT"]),
    )
    return DisclosureClass("harbor_recovery", "Condition", "R", ("42CFRPart2", "SUD"), chosen(signed))


def _found(invariants, permits, part2, context: Context, at):
    return {b.written.invariant.id: b for b in breaches(invariants, {1: part2}, permits, context, at)}


def test_what_the_rules_permit_keeps_the_promises(invariants, context, noon, part2):
    classes = dict(random_classes(5, context, 80)) | {-1: part2}
    permits = list(_permits(classes, context, noon))
    assert len(permits) > 300
    broken = list(breaches(invariants, classes, permits, context, noon))
    assert [(b.written.invariant.id, classes[b.number], b.viewer) for b in broken] == []


def test_a_permit_that_nobody_signed_for_is_found(invariants, context, noon, part2):
    permits = list(_permits({1: part2}, context, noon))
    named = Viewer("lakeside_hospital", "organization", "TREAT")
    assert named in [shown.viewer for shown in permits]
    other = Shown(1, Viewer("prairie_clinic", "organization", "TREAT"), True, frozenset(), ("planted",))
    found = _found(invariants, [*permits, other], part2, context, noon)
    assert found["part2-needs-its-consent"].shown == other
    told = " ".join(breach_sentences(found["part2-needs-its-consent"], part2, context.rules))
    assert all(word in told for word in ("Class 1", "harbor_recovery", "prairie_clinic", "planted"))


def test_a_permit_that_lost_its_notice_is_found(invariants, context, noon, part2):
    bare = [replace(shown, obligations=frozenset()) for shown in _permits({1: part2}, context, noon)]
    assert "part2-carries-its-notice" in _found(invariants, bare, part2, context, noon)


def test_a_source_that_lost_sight_of_its_own_is_found(invariants, context, noon, part2):
    """In class 2 the source's own permit is missing; class 1 has it."""
    whole = list(_permits({1: part2, 2: part2}, context, noon))
    own = Viewer("harbor_recovery", "organization", "TREAT")
    missing = [shown for shown in whole if (shown.number, shown.viewer) != (2, own)]
    both = {1: part2, 2: part2}
    found = breaches(invariants, both, missing, context, noon)
    assert list(breaches(invariants, both, whole, context, noon)) == []
    assert {(b.written.invariant.id, b.number, b.viewer) for b in found} == {
        ("own-records-stay-open", 2, own)
    }


def test_the_smallest_example_is_told(invariants, context, noon, part2):
    wide = replace(part2, labels=("42CFRPart2", "HIV", "MH", "SUD"))
    viewer = Viewer("prairie_clinic", "organization", "TREAT")
    permits = [Shown(number, viewer, True, frozenset(), ()) for number in (1, 2)]
    classes = {1: wide, 2: part2}
    broken = list(breaches(invariants, classes, permits, context, noon))
    assert (
        smallest([b for b in broken if b.written.invariant.id == "part2-needs-its-consent"], classes).number
        == 2
    )

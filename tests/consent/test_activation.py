"""Which rules are in force follows from what officers signed, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exchange.consent.activation import Act, fold, statement
from exchange.crypto import new_signing_key, public_key, sign
from exchange.model.errors import DecisionFailed

AT = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = {name: new_signing_key() for name in ("anna", "bohdan", "carla")}


def _signed(*said, keys=KEYS):
    """Acts (kind, subject, officer), each signed by its officer over all before."""
    acts = []
    for kind, subject, officer in said:
        key = public_key(keys[subject]) if kind == "officer-added" else ""
        act = Act(kind, subject, key, officer, AT)
        acts.append(replace(act, signature=sign(statement(act, fold(acts).head), keys[officer])))
    return acts


FOUNDED = (("officer-added", "anna", "anna"), ("officer-added", "bohdan", "bohdan"))


def _activated(digest, *officers):
    return [("ruleset-activated", digest, officer) for officer in officers]


def test_rules_are_in_force_once_two_officers_signed_the_same_digest():
    assert fold(_signed(*FOUNDED, *_activated("d1", "anna"))).active is None
    assert fold(_signed(*FOUNDED, *_activated("d1", "anna", "bohdan"))).active == "d1"


def test_signatures_over_two_digests_put_neither_into_force():
    said = (*FOUNDED, *_activated("d1", "anna"), *_activated("d2", "bohdan"))
    assert fold(_signed(*said)).active is None


def test_the_newest_digest_with_two_signatures_counts_and_an_older_one_needs_both_again():
    said = (*FOUNDED, *_activated("d1", "anna", "bohdan"), *_activated("d2", "anna", "bohdan"))
    assert fold(_signed(*said)).active == "d2"
    assert fold(_signed(*said, *_activated("d1", "anna"))).active == "d2"


def test_a_signature_given_before_other_rules_came_into_force_no_longer_counts():
    said = (*FOUNDED, *_activated("d2", "anna"), *_activated("d1", "anna", "bohdan"))
    assert fold(_signed(*said, *_activated("d2", "bohdan"))).active == "d1"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (_activated("d1", "anna"), "the first two officers must be added first"),
        ((*FOUNDED, *_activated("d1", "anna", "anna")), "a second person must"),
        ((*FOUNDED, *_activated("d1", "carla")), "`carla` is no officer"),
        ((("officer-added", "anna", "bohdan"),), "each signing for himself"),
        ((*FOUNDED, ("officer-added", "anna", "bohdan")), "is or was an officer"),
    ],
)
def test_what_an_officer_may_not_sign_is_refused_with_the_reason(said, problem):
    with pytest.raises(DecisionFailed, match=problem):
        fold(_signed(*said))


def test_after_a_revocation_the_one_who_is_left_appoints_nobody_alone():
    """The founding does not begin again, and a former officer's name is not used again."""
    revoked = (*FOUNDED, ("officer-revoked", "bohdan", "anna"))
    left = fold(_signed(*revoked))
    assert (set(left.officers), left.former, left.founding) == ({"anna"}, {"bohdan"}, False)
    with pytest.raises(DecisionFailed, match="`carla` is no officer"):
        fold(_signed(*revoked, ("officer-added", "carla", "carla")))
    assert set(fold(_signed(*revoked, ("officer-added", "carla", "anna"))).officers) == {"anna"}
    with pytest.raises(DecisionFailed, match="is or was an officer"):
        fold(_signed(*revoked, ("officer-added", "bohdan", "anna")))


def test_one_person_with_two_names_and_one_key_is_not_two_officers():
    with pytest.raises(DecisionFailed, match="a key of his own"):
        fold(_signed(*FOUNDED, keys={"anna": KEYS["anna"], "bohdan": KEYS["anna"]}))


def test_a_third_officer_needs_the_signatures_of_two():
    one = (*FOUNDED, ("officer-added", "carla", "anna"))
    assert set(fold(_signed(*one)).officers) == {"anna", "bohdan"}
    assert set(fold(_signed(*one, ("officer-added", "carla", "bohdan"))).officers) == set(KEYS)


def test_a_revoked_officer_signs_no_more_and_what_he_signed_no_longer_waits():
    three = (*FOUNDED, ("officer-added", "carla", "anna"), ("officer-added", "carla", "bohdan"))
    revoked = (*three, *_activated("d1", "bohdan"), ("officer-revoked", "bohdan", "carla"))
    assert fold(_signed(*revoked, *_activated("d1", "anna"))).active is None
    with pytest.raises(DecisionFailed, match="`bohdan` is no officer"):
        fold(_signed(*revoked, *_activated("d1", "bohdan")))


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize(
    "change",
    [
        {"subject": "d9"},
        {"officer": "carla"},
        {"at": AT.replace(year=2027)},
        {"signature": bytes(64)},
        {"key": public_key(KEYS["carla"])},
    ],
)
def test_any_act_that_was_altered_makes_all_of_it_unusable(position, change):
    acts = _signed(*FOUNDED, *_activated("d1", "anna", "bohdan"))
    acts[position] = replace(acts[position], **change)
    with pytest.raises(DecisionFailed, match=f"act {position + 1} "):
        fold(acts)


def test_an_act_that_was_taken_out_is_noticed():
    acts = _signed(*FOUNDED, *_activated("d1", "anna", "bohdan"), *_activated("d2", "anna", "bohdan"))
    with pytest.raises(DecisionFailed):
        fold([*acts[:3], *acts[4:]])

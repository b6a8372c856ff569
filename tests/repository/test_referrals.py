"""A referral lets the one it was sent to look, while it stands and while he may see it himself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from repository_world import AT, World

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.model.terms import SYSTEMS

CLINICS_NPI = "2222222228"
OPEN = Labels()


@pytest.fixture
def referred(world: World):
    """A hospital's patient, and the clinic as the hospital's directory knows it."""
    patient = world.patient("hospital", "p1", name=[{"family": "Rivera"}])
    clinic = resource_id("https://hospital.example/", "Organization", "clinic")
    identifier = [{"system": SYSTEMS["npi"], "value": CLINICS_NPI}]
    body = {"resourceType": "Organization", "id": clinic, "identifier": identifier}
    world.publish(world.item("hospital", body))
    return patient, clinic


def refer(world: World, referred, kind="ServiceRequest", labels=OPEN, **changes):
    patient, clinic = referred
    to = {"reference": f"Organization/{clinic}"}
    order = {"intent": "order", "performer": [to]} if kind == "ServiceRequest" else {"owner": to}
    body = {
        "resourceType": kind,
        "id": resource_id("https://hospital.example/", kind, "r1"),
        "status": "active" if kind == "ServiceRequest" else "requested",
        "for" if kind == "Task" else "subject": {"reference": f"Patient/{patient}"},
        **order,
        **changes,
    }
    world.publish(world.item("hospital", body, patient=patient, labels=labels, event_time=AT))
    return body


def relationships(world: World):
    return world.conn.execute(
        "SELECT participant, basis, until FROM relationship WHERE basis = 'referral' ORDER BY 1"
    ).fetchall()


@pytest.mark.parametrize("kind", ["ServiceRequest", "Task"])
def test_whom_a_referral_was_sent_to_has_a_relationship_that_ends(world, referred, kind):
    refer(world, referred, kind)
    ((participant, _, until),) = relationships(world)
    assert participant == "clinic"
    assert AT < until <= AT + timedelta(days=181)


@pytest.mark.parametrize("changes", [{"status": "revoked"}, {"intent": "proposal"}, {"performer": []}])
def test_a_referral_that_is_none_any_more_ends_it(world, referred, changes):
    refer(world, referred)
    assert relationships(world)
    refer(world, referred, **changes)
    assert relationships(world) == []


def test_a_deleted_referral_ends_it(world, referred):
    body = refer(world, referred)
    world.publish(deleted=(f"ServiceRequest/{body['id']}",))
    assert relationships(world) == []


def test_a_referral_that_its_receiver_may_not_see_opens_nothing(world, referred):
    refer(world, referred, labels=Labels("R", frozenset(["HIV"])))
    assert relationships(world) == []
    refer(world, referred)
    assert relationships(world)


def test_a_referral_reaches_those_surely_the_same_person_until_they_are_parted(world, referred):
    refer(world, referred)
    same = world.patient("clinic", "q1")
    world.link(referred[0], same)
    assert len(relationships(world)) == 2
    world.unlink(referred[0], same)
    assert len(relationships(world)) == 1


def test_a_referral_reaches_nobody_who_is_only_probably_the_same(world, referred):
    other = world.patient("clinic", "q1")
    world.link(referred[0], other, "probable")
    refer(world, referred)
    assert len(relationships(world)) == 1
    world.link_again(other)
    assert len(relationships(world)) == 1

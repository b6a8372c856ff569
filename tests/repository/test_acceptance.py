"""What anybody who takes this exchange into use will try first: promises about what is stored.

The rules are those of `consent/`, asked through the repository.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from repository_world import BASE, KEY, World, observation
from test_reprofile import consent as stored_consent

from exchange.consent import (
    Context,
    parse_rules,
)
from exchange.consent.proof.cases import read_cases
from exchange.content import read_tree
from exchange.model.records import Labels, Viewer
from exchange.repository import everything, search
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.reading.read import read
from tests.consent.builders import provision

ROOT = Path(__file__).parents[2]
HOSPITAL = Viewer("lakeside_hospital", "organization", "TREAT")


@pytest.fixture(scope="module")
def law() -> Context:
    files = read_tree(ROOT / "consent")
    return Context(parse_rules(files), read_cases(files)[0])


@pytest.fixture
def stored(connection, law) -> World:
    """The repository under the real rules."""
    asking = {"lakeside_hospital": ("TREAT",), "southside_clinic": ("TREAT",)}
    people = {code: replace(p, purposes=asking.get(code, ())) for code, p in law.participants.items()}
    context = Context(law.rules, people)
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    register_participants(connection, context, at)
    connection.commit()
    return World(connection, context, at)


def shown(world, patient):
    """Everything a hospital gets of a patient, by every way to get it."""
    with world.as_viewer(HOSPITAL) as view:
        page = search(view, "Observation", [("patient", patient), ("_total", "accurate")], BASE, KEY)
        whole = everything(view, patient, [], BASE, KEY)
        return len(page.entries), page.total, len(whole.entries) if whole else 0


def with_patient(world):
    patient = world.patient("lakeside_hospital", "1", name=[{"family": "Rivera"}])
    elsewhere = world.patient("prairie_clinic", "7", name=[{"family": "Rivera"}])
    world.link(patient, elsewhere)
    items = [
        world.item("prairie_clinic", observation("prairie_clinic", elsewhere, f"o{n}"), labels=Labels(*marks))
        for n, marks in enumerate([("N", frozenset()), ("R", frozenset(["HIV"])), ("R", frozenset(["MH"]))])
    ]
    world.publish(*items)
    return patient, elsewhere, items


def visible(world, items):
    with world.as_viewer(HOSPITAL) as view:
        return [read(view, "Observation", item.resource["id"]) is not None for item in items]


def deny(*, label=(), to=()):
    return {"provision": provision("permit", provision("deny", label=label, to=to, action=[disclosing()]))}


# 26
def test_a_revocation_closes_every_way_to_what_it_is_about_at_once(stored):
    patient, elsewhere, items = with_patient(stored)
    assert visible(stored, items) == [True, True, True]
    denial = stored_consent(elsewhere, **deny(label=["HIV"]))
    stored.publish(stored.item("prairie_clinic", denial))
    assert visible(stored, items) == [True, False, True]
    assert shown(stored, patient)[:2] == (2, 2)
    with stored.as_viewer(HOSPITAL) as view:
        assert view.conn.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone() == (
            2,
        )


# 29
def test_a_total_counts_what_the_requester_may_see(stored):
    patient, elsewhere, _ = with_patient(stored)
    assert shown(stored, patient)[:2] == (3, 3)
    stored.publish(stored.item("prairie_clinic", stored_consent(elsewhere, **deny(label=["MH", "HIV"]))))
    assert shown(stored, patient)[:2] == (1, 1)


# 30
def test_an_unlink_decides_again_what_the_link_had_closed_or_opened(stored):
    patient, elsewhere, items = with_patient(stored)
    stored.publish(stored.item("lakeside_hospital", stored_consent(patient, **deny(label=["HIV"]))))
    assert visible(stored, items) == [True, False, True]
    stored.unlink(patient, elsewhere)
    assert visible(stored, items) == [False, False, False]  # no longer known to be the hospital's patient
    stored.link(patient, elsewhere)
    assert visible(stored, items) == [True, False, True]


def disclosing():
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}]}

"""A notice that waits on a page: decided when it is fetched, once, by its own participant, in time."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from exchange.delivery.downloads import fetch, ready
from exchange.delivery.outcomes import replay
from exchange.model.delivery import Delivery
from tests.delivery.world import HIDDEN


def _notice(form="csv", **changes):
    values = {
        "topics": ("admission",),
        "channel": {"type": "download", "options": {"days": 3}},
        "purpose": "TREAT",
        "form": form,
        **changes,
    }
    return Delivery.model_validate(values)


@pytest.fixture
def waiting(world):
    """One notice of an admission; the ids of the visit and of the delivery."""
    world.subscribe(notices=_notice())
    hospital, _ = world.person()
    visit = world.admit(hospital)
    assert world.send() == {"ready": 1}
    (one,) = ready(world.conn, "clinic", world.now)
    world.conn.commit()
    return visit, one.delivery


def _fetch(world, delivery, participant="clinic"):
    found = fetch(world.conn, world.post().office, participant, delivery, "dana")
    world.conn.commit()
    return found


def test_nothing_is_disclosed_before_it_is_fetched_and_everything_recorded_then(world, waiting):
    assert world.ask("SELECT count(*) FROM receipt") == [0]
    assert world.ask("SELECT count(*) FROM audit_event WHERE kind = 'disclosure'") == [0]
    parcel = _fetch(world, waiting[1])
    assert b"Rivera1" in parcel.body
    assert parcel.media.startswith("text/csv")
    assert world.ask("SELECT outcome || ': ' || detail FROM receipt") == ["acknowledged: fetched by dana"]
    assert world.ask("SELECT count(*) FROM audit_event WHERE kind = 'disclosure'") == [1]
    assert world.ask("SELECT state FROM delivery") == ["acknowledged"]


def test_it_is_fetched_once_and_by_its_own_participant_alone(world, waiting):
    assert ready(world.conn, "hospital", world.now) == []
    assert _fetch(world, waiting[1], "hospital") is None
    assert _fetch(world, uuid4()) is None
    assert _fetch(world, waiting[1]) is not None
    assert _fetch(world, waiting[1]) is None
    assert ready(world.conn, "clinic", world.now) == []
    assert world.ask("SELECT count(*) FROM receipt") == [1]


def test_what_may_not_be_told_any_more_is_not_there(world, waiting):
    person = world.ask("SELECT fhir_id::text FROM patient WHERE partner = 'hospital'")[0]
    world.publish(world.item("hospital", world.visit(person, "in-progress"), labels=HIDDEN))
    assert _fetch(world, waiting[1]) is None
    assert world.ask("SELECT state FROM delivery") == ["nothing"]
    assert world.ask("SELECT count(*) FROM receipt") == [0]


def test_who_comes_too_late_finds_nothing_until_it_is_let_wait_again(world, waiting):
    world.later(days=3)
    assert ready(world.conn, "clinic", world.now) == []
    assert _fetch(world, waiting[1]) is None
    assert world.send() == {"expired": 1}
    assert world.ask("SELECT state || ': ' || problem FROM delivery") == ["parked: was not fetched in time"]
    replay(world.conn, "clinic/notices", waiting[1], world.now)
    world.conn.commit()
    assert world.send() == {"ready": 1}
    (again,) = ready(world.conn, "clinic", world.now)
    assert isinstance(again.delivery, UUID)
    assert _fetch(world, again.delivery) is not None


def test_what_is_hidden_is_not_even_announced(world):
    world.subscribe(notices=_notice(form="pdf"))
    hospital, _ = world.person()
    world.admit(hospital, labels=HIDDEN)
    assert world.send() == {"nothing": 1}
    assert ready(world.conn, "clinic", world.now) == []


@pytest.mark.parametrize("changes", [{"form": "fhir"}, {"content": "empty"}])
def test_a_page_is_read_by_people(changes):
    with pytest.raises(ValidationError):
        _notice(**changes)


@pytest.mark.parametrize("every", ["at-once", "nightly"])
def test_all_that_is_due_waits_in_one_turn_in_notices_of_as_much_as_is_wanted(world, every):
    world.subscribe(notices=_notice(every=every, max_count=2))
    hospital, _ = world.person()
    for number in range(5):
        world.admit(hospital, key=f"v{number}")
    assert world.send(every) == {"ready": 3}
    assert len(ready(world.conn, "clinic", world.now)) == 3
    assert world.ask("SELECT count(*) FROM delivery_event WHERE delivery IS NULL") == [0]

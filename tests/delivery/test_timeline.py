"""A timeline tells a participant what happened, with and without what is hidden from it alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange.app.partners.timeline import timeline
from tests.delivery.world import HIDDEN, Clinic, delivery


def _seen(world: Clinic) -> list[tuple[str, int, str, str]]:
    with world._connect() as connection:
        found = timeline(connection, "clinic", world.now - timedelta(days=30))
    return [(m.what, m.number, m.outcome, m.why) for m in found]


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_withheld_from_it_leaves_no_trace(hidden, world, receiver):
    world.subscribe(notices=delivery(receiver().url))
    hospital, _ = world.person()
    world.admit(hospital, key="open")
    if hidden:
        world.admit(hospital, key="hidden", labels=HIDDEN)
    world.send()
    assert _seen(world) == [("was sent: notices", 2, "acknowledged", "answered 200")]

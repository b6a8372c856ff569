"""A timeline tells a participant what happened, with and without what is hidden from it alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange.app.partners.timeline import Moment, timeline
from tests.delivery.world import HIDDEN, Clinic, delivery


def _seen(world: Clinic) -> list[tuple[str, int, str, str]]:
    with world._connect() as connection:
        found = timeline(connection, "clinic", world.now - timedelta(days=30), world.now)
    return [(m.what, m.number, m.outcome, m.why) for m in found.moments]


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_withheld_from_it_leaves_no_trace(hidden, world, receiver):
    world.subscribe(notices=delivery(receiver().url))
    hospital, _ = world.person()
    world.admit(hospital, key="open")
    if hidden:
        world.admit(hospital, key="hidden", labels=HIDDEN)
    world.send()
    assert _seen(world) == [("was sent: notices", 2, "acknowledged", "answered 200")]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_long_timeline_comes_in_stretches_without_holes(most, world):
    _happened(world)
    since = world.now - timedelta(days=30)
    with world._connect() as connection:
        whole = timeline(connection, "clinic", since, world.now, 100)
        parts: list[Moment] = []
        part = timeline(connection, "clinic", since, world.now, most)
        while part.earlier is not None:
            parts += part.moments
            part = timeline(connection, "clinic", since, part.earlier, most)
        parts += part.moments
    assert whole.earlier is None
    assert [m.kind for m in whole.moments] == ["sent", "recalled"] * 3 + ["sent"]
    assert parts == whole.moments


def _happened(world: Clinic) -> None:
    """Four runs, a recall after each but the last."""
    for number in range(4):
        world.later(hours=1)
        world.conn.execute(
            "INSERT INTO run (partner, kind, status, started, ended, pulled, records)"
            " VALUES ('clinic', 'pull', 'balanced', %(at)s, %(at)s, 1, '{\"published\": 1}')",
            {"at": world.now},
        )
        if number < 3:
            world.later(hours=1)
            world.conn.execute(
                "WITH one AS (INSERT INTO recall (kind, cause, opened, opened_by, reason)"
                "  VALUES ('source-error', 'Patient/x', %s, 'vega', 'a wrong file') RETURNING recall)"
                " INSERT INTO recall_task (task, recall, participant)"
                " SELECT gen_random_uuid(), recall, 'clinic' FROM one",
                [world.now],
            )
    world.conn.commit()

"""A redacted form is told as a record that never had what left it, in every answer.

Among duplicates a whole one comes before it (decision 0152): here it is protected where nobody says the same.
"""

from __future__ import annotations

import re
from random import Random

import pytest
from repository_world import CLINIC, HOSPITAL, SHELTER
from test_noninterference import HIDDEN, OPEN, _answers, drawn

from exchange.repository.storage.store import INDEX_TABLES

PARTNERS = ("hospital", "clinic", "shelter")


def _drawn(random, people):
    """What is sent, one batch after the other: each state with whether it has something protected in it."""
    records = [(*random.choice(people), str(n), random.choice((None, b"one", b"two"))) for n in range(10)]
    records[1] = (*people[0], "1", None)  # one at least has something protected in it
    for step in range(4):
        for partner, patient, key, cluster in random.sample(records, 6):
            body = drawn(random, partner, patient, key)
            protected = partner == "hospital" and cluster is None and int(key) % 3 > 0
            yield step, partner, body, cluster, random.randrange(20), protected


def _sent(world, seed, whole):
    """The world in which protected elements were sent, or never were."""
    random = Random(seed)
    people = [
        (p, world.patient(p, f"{p}-{n}", name=[{"family": "Rivera"}])) for p in PARTNERS for n in range(2)
    ]
    world.link(people[0][1], people[2][1])
    world.link(people[1][1], people[4][1], "probable")
    for step, partner, body, cluster, trust, protected in _drawn(random, people):
        item = world.item(partner, body, cluster=cluster, trust=trust, labels=OPEN)
        if protected and whole:
            secret = {**body, "note": [{"text": f"secret {step} {trust}"}]}
            item = item._replace(resource=secret, labels=HIDDEN, redacted=(body, OPEN))
        world.publish(item)
        world.publish(item._replace(record=item.record + 1))
    return people


def _told(world, viewer, people):
    """Every answer, without which form a page was made of: the repository keeps that to itself."""
    return [re.sub(rb"rendition=\d+", b"", answer) for answer in _answers(world, viewer, people)]


def _forget(world):
    """As if nothing had been sent; classes stay decided from the moment they were first met."""
    world.conn.execute("SET session_replication_role = replica")
    for table in ("resource", "resource_history", "withheld", "relationship", "patient_edge", *INDEX_TABLES):
        world.conn.execute(f"DELETE FROM {table}")
    world.conn.execute("DELETE FROM patient")
    world.conn.execute("SET session_replication_role = DEFAULT")
    world.conn.commit()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_redacted_form_leaves_out_changes_nothing_else(world, seed):
    people = _sent(world, seed, whole=True)
    told = {viewer: _told(world, viewer, people) for viewer in (SHELTER, CLINIC)}
    assert any(b"secret" in answer for answer in _told(world, HOSPITAL, people))
    _forget(world)
    assert _sent(world, seed, whole=False) == people
    for viewer, answers in told.items():
        assert not any(b"secret" in answer for answer in answers)
        assert _told(world, viewer, people) == answers, viewer

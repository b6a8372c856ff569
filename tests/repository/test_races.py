"""A consent and a record that arrive at the same moment: whatever comes first, the consent binds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import psycopg
import pytest
from repository_world import SHELTER, World, observation
from test_reprofile import consent, deny_to, sees

from exchange.repository import publish


@pytest.fixture
def second(database, world):
    with psycopg.connect(database) as conn:
        yield World(conn, world.context, records=iter(range(1_000_000, 2_000_000)))


def _wait_until_blocked(conn, pid):
    """Returns once the other connection waits for a lock."""
    deadline = monotonic() + 10
    blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
    while monotonic() < deadline:
        if conn.execute(blocked, (pid,)).fetchone()[0]:
            return
        sleep(0.01)
    pytest.fail("the second writer did not wait for the first")


@pytest.mark.parametrize("consent_first", [True, False], ids=["consent first", "record first"])
def test_a_record_published_beside_a_denial_is_not_shown(world, second, consent_first):
    patient = world.patient("hospital", "1")
    record = world.item("hospital", observation("hospital", patient, "a"))
    denial = world.item("hospital", consent(patient, provision=deny_to("shelter")))
    first, then = (denial, record) if consent_first else (record, denial)
    publish(world.conn, [first], (), world.context, world.at)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.publish, then)
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        world.conn.commit()
        assert waiting.result(timeout=30).outcomes[0].kind == "published"
    assert not sees(world, SHELTER, record)

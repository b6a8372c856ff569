"""After a load the planner knows what was loaded, without waiting for the database to look."""

from __future__ import annotations

import pytest
from repository_world import observation

from exchange.repository import refresh_statistics
from exchange.repository.storage.store import INDEX_TABLES


@pytest.fixture
def unwatched(world):
    """Nobody else takes statistics meanwhile."""
    for table in ("resource", *INDEX_TABLES):
        world.conn.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    world.conn.commit()
    return world


def _load(world, number):
    patient = world.patient("hospital", "loaded")
    world.publish(*(world.item("hospital", observation("hospital", patient, f"l{n}")) for n in range(number)))
    world.conn.execute("SELECT pg_stat_force_next_flush()")
    world.conn.commit()


def _known(world, table):
    return world.conn.execute(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table]
    ).fetchone()[0]


def test_what_a_load_outgrew_is_analysed_once(unwatched):
    _load(unwatched, 1100)
    assert _known(unwatched, "resource") < 1100
    assert {"resource", "index_token"} <= set(refresh_statistics(unwatched.conn))
    assert _known(unwatched, "resource") >= 1100
    assert refresh_statistics(unwatched.conn) == []


def test_a_first_load_is_analysed_however_small(unwatched):
    """Of a table it knows nothing of the planner takes a chain of references for a look at a few rows."""
    refresh_statistics(unwatched.conn)
    unwatched.conn.execute("TRUNCATE index_date")
    _load(unwatched, 3)
    assert refresh_statistics(unwatched.conn) == ["index_date"]
    assert _known(unwatched, "index_date") == 3


def test_a_few_records_are_not_worth_it(unwatched):
    refresh_statistics(unwatched.conn)
    _load(unwatched, 3)
    assert refresh_statistics(unwatched.conn) == []

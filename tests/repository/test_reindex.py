"""Records stored before a parameter was served are found by it once they are indexed anew."""

from __future__ import annotations

from repository_world import BASE, HOSPITAL, KEY, observation

from exchange.repository import reindex, search
from exchange.repository.storage.store import INDEX_TABLES


def _all_rows(world):
    return {table: set(world.conn.execute(f"SELECT * FROM {table}").fetchall()) for table in INDEX_TABLES}


def test_what_search_finds_is_as_if_it_had_been_stored_now(world):
    patient = world.patient("hospital", "1", name=[{"family": "Ames"}])
    world.publish(*(world.item("hospital", observation("hospital", patient, k)) for k in "abc"))
    before = _all_rows(world)
    for table in INDEX_TABLES:
        world.conn.execute(f"DELETE FROM {table} WHERE rid % 2 = 0")
    world.conn.commit()
    assert list(reindex(world.conn, 3)) == [3, 1]
    assert _all_rows(world) == before
    with world.as_viewer(HOSPITAL) as view:
        assert len(search(view, "Observation", [("code", "2345-7")], BASE, KEY).entries) == 3

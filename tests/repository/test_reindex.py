"""Records stored before a parameter was served are found by it once they are indexed anew."""

from __future__ import annotations

from hashlib import sha256
from threading import Thread

import psycopg
from repository_world import BASE, HOSPITAL, KEY, observation

from exchange.repository import index_state, note_empty_index, reindex, search
from exchange.repository.storage import reindex as module
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.manner import EDITION
from exchange.repository.storage.store import INDEX_TABLES
from exchange.repository.storage.units import UCUM

_ID = "00000000-0000-4000-8000-00000000000"
EVERY_KIND_OF_VALUE = (
    {
        "resourceType": "Patient",
        "id": f"{_ID}0",
        "name": [{"family": "Muñoz", "given": ["Ana", "María"], "text": "Ana Muñoz"}],
        "telecom": [{"system": "phone", "value": "555"}, {"system": "email", "value": "a@b.example"}],
        "identifier": [{"system": "urn:mrn", "value": "7"}],
        "address": [{"line": ["1 Main St"], "city": "Springfield", "postalCode": "62701"}],
        "birthDate": "1980-03",
        "deceasedDateTime": "2026-01-01T10:00:00-06:00",
        "active": True,
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [{"url": "ombCategory", "valueCoding": {"system": "urn:r", "code": "2106-3"}}],
            }
        ],
        "meta": {"tag": [{"code": "t"}], "profile": ["http://p.example/a|1"], "source": "urn:s"},
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": f"Location/{_ID}1"},
        "performer": [
            {"identifier": {"system": "urn:npi", "value": "1"}},
            {"reference": f"Organization/{_ID}2"},
        ],
        "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02T10:00:00Z"},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 120, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
            }
        ],
    },
    {
        "resourceType": "ServiceRequest",
        "status": "active",
        "occurrenceTiming": {"event": ["2026-02-01"], "repeat": {"boundsPeriod": {"start": "2026-01"}}},
        "note": [{"authorReference": {"reference": f"Practitioner/{_ID}3"}}],
    },
)  # fmt: skip


def _all_rows(world):
    return {table: set(world.conn.execute(f"SELECT * FROM {table}").fetchall()) for table in INDEX_TABLES}


def _stored(world, *keys):
    patient = world.patient("hospital", "1", name=[{"family": "Ames"}])
    world.publish(*(world.item("hospital", observation("hospital", patient, k)) for k in keys))


def test_what_search_finds_is_as_if_it_had_been_stored_now(world):
    _stored(world, *"abc")
    before = _all_rows(world)
    for table in INDEX_TABLES:
        world.conn.execute(f"DELETE FROM {table} WHERE rid % 2 = 0")
    world.conn.commit()
    assert list(reindex(world.conn, 3)) == [3, 1]
    assert _all_rows(world) == before
    with world.as_viewer(HOSPITAL) as view:
        assert len(search(view, "Observation", [("code", "2345-7")], BASE, KEY).entries) == 3


def test_a_database_knows_by_which_version_its_records_are_indexed(world, monkeypatch):
    note_empty_index(world.conn)
    assert index_state(world.conn).whole
    _stored(world, "a")
    monkeypatch.setattr(module, "manner", lambda: "of the next version")
    note_empty_index(world.conn)
    assert not index_state(world.conn).whole
    assert sum(reindex(world.conn)) == 2
    assert index_state(world.conn).whole
    monkeypatch.undo()
    assert not index_state(world.conn).whole, "an earlier version has to write it anew as well"


def test_who_ends_half_way_goes_on_there(world):
    _stored(world, *"abcd")
    world.conn.commit()
    assert next(reindex(world.conn, 2)) == 2
    state = index_state(world.conn)
    assert not state.whole
    world.conn.rollback()
    assert list(reindex(world.conn, 2, state.reached)) == [2, 1]
    assert index_state(world.conn).whole


def test_publishing_is_never_what_fails_when_both_want_the_same_records(world, database):
    _stored(world, *"ab")
    world.conn.commit()
    with psycopg.connect(database) as publishing, psycopg.connect(database) as indexing:
        publishing.execute("SELECT FROM resource WHERE rid = (SELECT max(rid) FROM resource) FOR UPDATE")
        written: list[int] = []
        worker = Thread(target=lambda: written.extend(reindex(indexing)))
        worker.start()
        worker.join(0.2)
        publishing.execute("SELECT FROM resource WHERE rid = (SELECT min(rid) FROM resource) FOR UPDATE")
        assert not written
        publishing.commit()
        worker.join(10)
        assert written == [3]


def test_who_changes_what_is_indexed_raises_the_edition():
    """A row of `search_parameters.csv` alone needs no other edition; write down the new sum all the same."""
    told = [
        sorted(getattr(index_rows(resource, ["Practitioner/" + _ID + "3"]), table))
        for resource in EVERY_KIND_OF_VALUE
        for table in ("tokens", "references", "dates", "strings", "quantities")
    ]
    assert all(any(told[kind::5]) for kind in range(5))
    assert (EDITION, sha256(repr(told).encode()).hexdigest()[:12]) == (1, "e7a3c49f7312")

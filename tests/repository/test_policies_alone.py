"""What the policies alone let through, with no query of ours in front of them that would leave it out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from repository_world import AT, CLINIC, HOSPITAL, SHELTER, World, observation

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository.disclosure.folding import fold_shown
from exchange.repository.storage.store import INDEX_TABLES

HIV = Labels("R", frozenset({"HIV"}))
MH = Labels("R", frozenset({"MH"}))


@pytest.fixture(scope="module")
def world(shared_world):
    """Somebody of whom the shelter may see all, one protected altogether, two whose redacted forms are open.

    Of the open one everything that is kept in an index, and of two records one version that was replaced and
    one that is gone.
    """
    found: World = shared_world
    found.open = found.patient("hospital", "1", name=[{"family": "Rivera"}], birthDate="1980-01-02")
    found.protected = found.patient("hospital", "2", HIV, name=[{"family": "Roe"}])
    found.redacted = in_two_forms(found, "3", HIV)
    found.restricted = in_two_forms(found, "4", MH)
    for other in (found.protected, found.redacted):
        found.link(found.open, other, "probable")
    found.conn.execute(
        "INSERT INTO patient_apart (a, b, authority)"
        " SELECT p.patient, q.patient, 'steward' FROM patient p, patient q"
        " WHERE p.fhir_id = %s AND q.fhir_id = ANY(%s::uuid[])",
        (found.open, [found.protected, found.redacted]),
    )
    laboratory = {
        "reference": f"Organization/{resource_id('https://hospital.example/', 'Organization', '1')}"
    }
    found.glucose = observation("hospital", found.open, "glucose", performer=[laboratory])
    found.gone = observation("hospital", found.open, "gone")
    found.publish(found.item("hospital", found.glucose), found.item("hospital", found.gone))
    changed = {**found.glucose, "valueQuantity": {**found.glucose["valueQuantity"], "value": 99}}
    found.publish(found.item("hospital", changed), deleted=(f"Observation/{found.gone['id']}",))
    keys = "INSERT INTO blocking_key SELECT patient, patient FROM patient ON CONFLICT DO NOTHING"
    found.conn.execute(keys)
    found.conn.commit()
    return found


def in_two_forms(world, key, labels):
    """A Patient whose whole form is protected so, and whose redacted form is open."""
    fhir_id = resource_id("https://hospital.example/", "Patient", key)
    world.conn.execute(
        "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
        " VALUES (%(id)s, gen_random_uuid(), 'hospital', %(id)s, '{}')",
        {"id": fhir_id},
    )
    plain = {"resourceType": "Patient", "id": fhir_id, "name": [{"family": "Poe"}]}
    whole = {**plain, "contact": [{"name": {"text": "a clinic"}}]}
    world.publish(world.item("hospital", whole, labels=labels, redacted=(plain, Labels())))
    return fhir_id


def patients(view):
    return {str(row[0]) for row in view.conn.execute("SELECT fhir_id FROM patient")}


def related(world, code, *persons):
    """Says that these, and no others, are in somebody's care."""
    world.conn.execute("DELETE FROM relationship WHERE participant = %s", (code,))
    world.conn.execute(
        "INSERT INTO relationship SELECT %s, patient, 'attestation', 'infinity' FROM patient"
        " WHERE fhir_id = ANY(%s::uuid[])",
        (code, list(persons)),
    )
    world.conn.commit()


def test_who_has_an_open_form_is_known_and_who_is_protected_altogether_is_not(world):
    """Asked by the permits, and by what is worked out of them."""
    known = {world.open, world.redacted, world.restricted}
    with world.as_viewer(SHELTER) as view:
        assert patients(view) == known
    fold_shown(world.conn, AT)
    world.conn.commit()
    with world.as_viewer(SHELTER) as view:
        assert patients(view) == known


def test_the_open_form_of_somebody_needs_a_relationship_where_his_record_does(world):
    fold_shown(world.conn, AT)
    related(world, "clinic", world.open)
    with world.as_viewer(CLINIC) as view:
        assert patients(view) == {world.open}
    related(world, "clinic", world.redacted)
    with world.as_viewer(CLINIC) as view:
        assert patients(view) == {world.redacted}


def test_who_is_protected_altogether_is_found_by_no_key(world):
    with world.as_viewer(SHELTER) as view:
        asked = "SELECT fhir_id FROM patient JOIN blocking_key USING (patient)"
        keys = view.conn.execute("SELECT count(DISTINCT patient) FROM blocking_key").fetchone()
        assert keys == (len(view.conn.execute(asked).fetchall()),) == (3,)


@pytest.mark.parametrize("table", ["patient_edge", "patient_apart"])
def test_a_pair_is_told_to_who_sees_both_of_it(world, table):
    hidden = {
        row[0]
        for row in world.conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", (world.protected,))
    }
    every = {frozenset(row) for row in world.conn.execute(f"SELECT a, b FROM {table}")}
    world.conn.commit()
    with world.as_viewer(SHELTER) as view:
        seen = {frozenset(row) for row in view.conn.execute(f"SELECT a, b FROM {table}")}
    assert seen == {pair for pair in every if not pair & hidden}
    assert len(seen) == len(every) - 1 == 1


def scoped(view, scope):
    view.conn.execute("SELECT set_config('exchange.scope', %s, true)", (json.dumps(scope),))


BEYOND = {"Observation": [[[[1, None]]]]}
"""A scope of Observations with a code that none has."""


@pytest.mark.parametrize("table", INDEX_TABLES)
def test_what_is_beyond_a_scope_is_in_no_index(world, table):
    asked = f"SELECT count(*) FROM {table} WHERE rid IN (SELECT rid FROM resource) OR true"
    with world.as_viewer(HOSPITAL) as view:
        whole = view.conn.execute(asked).fetchone()[0]
        scoped(view, BEYOND)
        assert view.conn.execute(asked).fetchone() == (0,)
        scoped(view, {"Patient": True, "Observation": True})
        assert view.conn.execute(asked).fetchone() == (whole,)
    assert whole


def versions(view):
    return sorted(view.conn.execute("SELECT gone, count(*) FROM resource_history GROUP BY gone"))


def test_what_is_beyond_a_scope_has_no_past(world):
    """Of what is gone nobody knows whether a scope with a condition reached it."""
    with world.as_viewer(HOSPITAL) as view:
        whole = versions(view)
        scoped(view, BEYOND)
        assert versions(view) == []
        scoped(view, {"Observation": True})
        assert versions(view) == whole
    assert [gone for gone, _ in whole] == [False, True]


def test_a_scope_tells_nobody_whether_a_hidden_row_is_there(world):
    (rid,) = world.conn.execute("SELECT rid FROM resource WHERE fhir_id = %s", (world.protected,)).fetchone()
    world.conn.commit()
    with world.as_viewer(SHELTER) as view:
        scoped(view, {"*": True})
        told = view.conn.execute("SELECT row_in_scope(%s), row_in_scope(0)", (rid,)).fetchone()
    assert told == (False, False)


def test_asked_by_hand_the_past_tells_no_more_than_the_table(world):
    """Of a record that became protected, and of one that is not there any more."""
    turned = observation("hospital", world.open, "turned")
    world.publish(world.item("hospital", turned))
    protected = {**turned, "code": {"coding": [{"system": "http://loinc.org", "code": "25836-8"}]}}
    world.publish(world.item("hospital", protected, labels=HIV))
    assert [_unbroken(world, one) for one in (world.glucose, turned)] == [True, False]
    world.conn.execute("SET LOCAL session_replication_role = replica")
    world.conn.execute("DELETE FROM resource WHERE fhir_id = %s", (world.glucose["id"],))
    assert not _unbroken(world, world.glucose)
    world.conn.rollback()


def _unbroken(world, resource):
    """Whether the shelter is told that there is a first version it may see."""
    with world.as_viewer(SHELTER) as view:
        asked = "SELECT unbroken('Observation', %s, 0::smallint, 1)"
        return view.conn.execute(asked, (resource["id"],)).fetchone()[0]


@pytest.mark.parametrize(
    "change",
    [
        "valid_from = '2020-01-01', valid_until = '2020-01-02'",
        "valid_from = '2030-01-01', valid_until = '2030-01-02'",
        "action = 'disclose'",
    ],
)
def test_a_permit_of_another_time_or_for_another_action_is_none(world, change):
    asked = "SELECT count(*) > 0 FROM disclosure"
    world.conn.commit()
    with world.as_viewer(HOSPITAL) as view:
        assert view.conn.execute(asked).fetchone() == (True,)
    with undone(world):
        world.conn.execute(f"UPDATE disclosure SET {change}")
        with world.as_viewer(HOSPITAL) as view:
            assert view.conn.execute(asked).fetchone() == (False,)


@contextmanager
def undone(world):
    """What the block changes is rolled back, and so is the role of its view."""
    try:
        yield
    finally:
        world.conn.rollback()


@pytest.mark.parametrize(("ends", "seen"), [(AT + timedelta(seconds=1), 1), (AT, 0)])
def test_a_relationship_ends_at_its_end(world, ends, seen):
    related(world, "clinic", world.open)
    with undone(world):
        world.conn.execute("UPDATE relationship SET until = %s WHERE participant = 'clinic'", (ends,))
        with world.as_viewer(CLINIC, AT) as view:
            assert view.conn.execute("SELECT count(*) FROM relationship").fetchone() == (seen,)

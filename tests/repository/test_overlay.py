"""A record number that turns into another person's: seen, held back, settled."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from repository_world import CLINIC, HOSPITAL, observation

from exchange.linkage import features, parse_model
from exchange.repository.disclosure.overlay import held, settle
from exchange.repository.disclosure.reprofile import consents_of, reprofile
from exchange.repository.identity.links import IncomingPatient, link_patients
from exchange.repository.reading.read import read

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
ROOT = Path(__file__).parents[2] / "mappings"
RUTH = {"name": [{"given": ["Ruth"], "family": "Harding"}], "birthDate": "1984-02-09", "gender": "female"}
OTHER = {"name": [{"given": ["Pavlo"], "family": "Bondar"}], "birthDate": "1990-12-30", "gender": "male"}
MARRIED = {**RUTH, "name": [{"given": ["Ruth"], "family": "Vega"}]}
SLIP = {**RUTH, "birthDate": "1984-09-02"}


@pytest.fixture(scope="module")
def model():
    paths = (ROOT / "_shared" / "identity").iterdir()
    return parse_model({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths})


@pytest.fixture
def send(world, model):
    """Enters a Patient as the hospital describes it now; consents follow, as in a run."""

    def enter(patient):
        read_features = features(patient, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)
        incoming = IncomingPatient(patient["id"], "hospital", read_features)
        result = link_patients(world.conn, [incoming], [], model, AT)
        reprofile(world.conn, result.changed, world.context, AT)
        world.conn.commit()
        return result.patients[patient["id"]]

    return enter


@pytest.fixture
def ruth(world, send):
    fhir_id = world.patient("hospital", "1", **RUTH)
    send({"id": fhir_id, **RUTH})
    return fhir_id


@pytest.fixture
def elsewhere(world, ruth):
    """The same person at the clinic, which measured her too."""
    fhir_id = world.patient("clinic", "9", **RUTH)
    item = world.item("clinic", observation("clinic", fhir_id, "b"))
    world.publish(item)
    world.link(ruth, fhir_id)
    world.conn.execute("UPDATE patient_edge SET basis = 'merge'")
    return item.resource["id"]


@pytest.fixture
def measured(world, ruth, elsewhere):
    item = world.item("hospital", observation("hospital", ruth, "a"))
    world.publish(item)
    return item.resource["id"]


def sees(world, viewer, observed):
    world.conn.commit()
    with world.as_viewer(viewer) as view:
        found = read(view, "Observation", observed) is not None
    world.conn.commit()
    return found


@pytest.mark.parametrize("now", [MARRIED, SLIP, RUTH], ids=["other surname", "slip in the date", "the same"])
def test_a_correction_is_no_overlay(world, send, ruth, now):
    assert held(world.conn, [send({"id": ruth, **now})]) == set()


def test_a_record_that_turns_into_another_person_is_held_back(world, send, ruth, measured):
    assert sees(world, CLINIC, measured)
    number = send({"id": ruth, **OTHER})
    assert held(world.conn, [number]) == {number}
    assert not sees(world, CLINIC, measured)
    assert sees(world, HOSPITAL, measured), "its own record is no release"
    assert ("The review of this person's identity",) in consents_of(world.conn, number)


def test_what_comes_while_it_is_held_is_held_too(world, send, ruth, measured):
    late = [world.item("hospital", observation("hospital", ruth, key)) for key in ("early", "late")]
    world.publish(late[0])
    send({"id": ruth, **OTHER})
    world.publish(late[1])
    assert [sees(world, CLINIC, item.resource["id"]) for item in late] == [False, False]
    send({"id": ruth, **RUTH})
    assert [sees(world, CLINIC, item.resource["id"]) for item in late] == [True, True]


def test_everybody_linked_with_it_is_held_back(world, send, ruth, elsewhere):
    assert sees(world, HOSPITAL, elsewhere)
    send({"id": ruth, **OTHER})
    assert not sees(world, HOSPITAL, elsewhere)


def test_the_partners_correction_opens_it_again(world, send, ruth, measured):
    send({"id": ruth, **OTHER})
    number = send({"id": ruth, **MARRIED})
    assert held(world.conn, [number]) == set()
    assert sees(world, CLINIC, measured)


@pytest.mark.parametrize(("outcome", "seen"), [("one-person", True), ("two-people", False)])
def test_a_stewards_word_settles_it(world, send, ruth, measured, outcome, seen):
    number = send({"id": ruth, **OTHER})
    assert settle(world.conn, number, outcome, "R. Vega", "asked the hospital", AT)
    reprofile(world.conn, {number}, world.context, AT)
    assert sees(world, CLINIC, measured) == seen
    send({"id": ruth, **OTHER})
    assert sees(world, CLINIC, measured) == seen, "his word sticks"


def test_there_is_nothing_to_settle_where_nothing_is_suspected(world, send, ruth):
    assert not settle(world.conn, send({"id": ruth, **SLIP}), "one-person", "R. Vega", "why", AT)

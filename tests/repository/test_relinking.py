"""A new model is told before it is activated, and activated only as it was told."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from repository_world import AT, observation

from exchange.linkage import features, parse_model
from exchange.linkage.model import Thresholds
from exchange.model.errors import Conflict
from exchange.repository import IncomingPatient, activate, difference, link_patients, reprofile

ROOT = Path(__file__).parents[2] / "mappings"
RUTH = {
    "name": [{"given": ["Ruth"], "family": "Harding"}],
    "birthDate": "1984-02-09",
    "gender": "female",
    "telecom": [{"system": "phone", "value": "217-555-0147"}],
}


@pytest.fixture(scope="module")
def model():
    paths = (ROOT / "_shared" / "identity").iterdir()
    return parse_model({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths})


@pytest.fixture(scope="module")
def strict(model):
    """No pair is ever likely enough for it."""
    return replace(model, version="strict", thresholds=Thresholds(1.1, 1.1, 1.1))


@pytest.fixture
def two(world, model):
    """One woman at the hospital and at the clinic, each with a measurement; linked by the model."""
    ids = []
    for partner in ("hospital", "clinic"):
        fhir_id = world.patient(partner, "1", **RUTH)
        read = features(RUTH, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)
        incoming = IncomingPatient(fhir_id, partner, read)
        changed = link_patients(world.conn, [incoming], [], model, AT).changed
        reprofile(world.conn, changed, world.context, AT)
        world.publish(world.item(partner, observation(partner, fhir_id, "a")))
        ids.append(fhir_id)
    return ids


def persons(world):
    rows = world.conn.execute("SELECT DISTINCT person::text FROM patient").fetchall()
    world.conn.commit()
    return {row[0] for row in rows}


def test_a_report_names_who_splits_and_what_closes_and_changes_nothing(world, two, strict):
    told = difference(world.conn, strict, world.context, AT)

    assert told.split == ((min(two), tuple(sorted(two))),)
    assert (told.merged, told.links, told.patients) == ((), (1, 0), 1)
    closed = {(e.participant, e.purpose): e.closed for e in told.exposures}
    assert len(closed["hospital", "TREAT"]) == len(closed["clinic", "TREAT"]) == 2
    assert not any(e.opened for e in told.exposures)
    assert persons(world) == {min(two)}
    assert difference(world.conn, strict, world.context, AT).digest == told.digest


def test_what_was_told_is_done_and_told_the_other_way_round(world, two, model, strict):
    first = difference(world.conn, strict, world.context, AT)
    activate(world.conn, strict, world.context, AT, first.digest)
    world.conn.commit()
    assert persons(world) == set(two)
    back = difference(world.conn, model, world.context, AT)
    assert back.merged == ((tuple(sorted(two)), min(two)),)
    assert {e.participant: e.opened for e in back.exposures} == {
        e.participant: e.closed for e in first.exposures
    }


def test_nothing_is_done_when_it_would_not_be_what_was_told(world, two, strict):
    with pytest.raises(Conflict):
        activate(world.conn, strict, world.context, AT, "0" * 64)
    world.conn.commit()
    assert persons(world) == {min(two)}


def test_the_model_in_force_changes_nothing(world, two, model):
    told = difference(world.conn, model, world.context, AT)
    assert (told.merged, told.split, told.exposures, told.patients) == ((), (), (), 0)

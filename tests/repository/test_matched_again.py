"""How consents are held against records may change with an upgrade or a rule: stored records follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository_world import HOSPITAL, observation
from test_reprofile import consent, sees

from exchange.consent import Context, parse_rules
from exchange.repository.disclosure import reprofile
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.viewers import NO_DIRECTIVES

HERE = Path(__file__).parent
VOCABULARY = (HERE.parents[1] / "consent/vocabulary.yaml").read_text("utf-8")
YEAR = {"start": "2025", "end": "2025"}


def recorded_in(world):
    """The same rules, under which a stretch of time is about when a record was written down."""
    words = VOCABULARY.replace("data_period: clinical", "data_period: recorded")
    files = {"vocabulary.yaml": words, "policies/tests.yaml": (HERE / "policies.yaml").read_text("utf-8")}
    return Context(parse_rules(files), world.context.participants)


def register(world, context):
    world.conn.rollback()  # what a look at it left
    found = register_participants(world.conn, context, world.at)
    world.conn.commit()
    return found


@pytest.fixture
def dated(world):
    """What was measured in 2026 and written down in 2025, of somebody who keeps 2025 from treatment."""
    patient = world.patient("clinic", "1", name=[{"family": "Rivera"}])
    world.link(patient, world.patient("hospital", "1", name=[{"family": "Rivera"}]))
    item = world.item("clinic", observation("clinic", patient, "a", issued="2025-05-01T10:00:00Z"))
    treatment = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
    denial = {"type": "deny", "dataPeriod": YEAR, "purpose": [treatment]}
    refused = {"type": "permit", "provision": [denial]}
    world.publish(item, world.item("clinic", consent(patient, provision=refused)))
    return item


def test_a_changed_choice_of_date_reaches_what_is_stored(world, dated):
    assert sees(world, HOSPITAL, dated)
    recorded = recorded_in(world)
    assert register(world, recorded)
    assert not sees(world, HOSPITAL, dated)
    assert register(world, world.context)
    assert sees(world, HOSPITAL, dated)


def blind(directives, resource, around):
    return ()


def deaf(directives):
    return NO_DIRECTIVES


@pytest.mark.parametrize(("step", "older_step"), [("matched", blind), ("profile", deaf)])
def test_what_an_older_edition_read_and_matched_is_again(world, dated, monkeypatch, step, older_step):
    recorded = recorded_in(world)
    with monkeypatch.context() as older:
        older.setattr(reprofile, step, older_step)
        older.setattr("exchange.repository.disclosure.ruling.EDITION", 1)
        register(world, recorded)
        assert sees(world, HOSPITAL, dated)
    assert register(world, recorded)
    assert not sees(world, HOSPITAL, dated)
    assert not register(world, recorded)

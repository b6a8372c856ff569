"""A consent published before its Patient binds with him; linkage at the same moment cannot miss it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from repository_world import AT, SHELTER, World, observation
from test_reprofile import consent, deny_to, sees

from exchange.linkage import Features, parse_model
from exchange.model.ids import resource_id
from exchange.repository import IncomingPatient, link_patients, publish, reprofile

_IDENTITY = Path(__file__).parents[2] / "mappings"
MODEL = parse_model(
    {str(p.relative_to(_IDENTITY)): p.read_text("utf-8") for p in (_IDENTITY / "_shared/identity").iterdir()}
)


@pytest.fixture
def second(database, world):
    with psycopg.connect(database) as conn:
        yield World(conn, world.context, records=iter(range(1_000_000, 2_000_000)))


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


def entered(world, key):
    """A Patient whom linkage enters now, with the consents that waited for him."""
    fhir_id = never_sent(key)
    incoming = IncomingPatient(fhir_id, "hospital", Features.from_json({}))
    result = link_patients(world.conn, [incoming], [], MODEL, AT)
    reprofile(world.conn, result.changed, world.context, AT)
    world.conn.commit()
    return fhir_id


def never_sent(key):
    return resource_id("https://hospital.example/", "Patient", key)


def test_a_denial_binds_when_its_patient_is_entered_and_not_when_it_was_deleted_before(world):
    for key in ("later", "deleted"):
        denial = world.item("hospital", consent(never_sent(key), provision=deny_to("shelter")))
        assert world.publish(denial).outcomes[0].kind == "quarantined"
    world.publish(deleted=(f"Consent/{denial.resource['id']}",))
    seen = []
    for key in ("later", "deleted"):
        item = world.item("hospital", observation("hospital", entered(world, key), key))
        world.publish(item)
        seen.append(sees(world, SHELTER, item))
    assert seen == [False, True]


def test_a_consent_corrected_to_a_patient_who_was_never_sent_permits_nothing_meanwhile(world, patient):
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    permit = consent(patient, provision=deny_to("clinic"))
    world.publish(world.item("hospital", permit))
    assert sees(world, SHELTER, item)
    moved = {**permit, "patient": {"reference": f"Patient/{never_sent('later')}"}}
    world.publish(world.item("hospital", moved))
    assert not sees(world, SHELTER, item)
    entered(world, "later")
    assert sees(world, SHELTER, item)


def test_linkage_waits_for_a_consent_that_just_missed_its_patient(database, world, second):
    denial = second.item("hospital", consent(never_sent("later"), provision=deny_to("shelter")))
    publish(second.conn, [denial], (), second.context, AT)
    world.conn.execute("SET lock_timeout = '50ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        entered(world, "later")
    world.conn.rollback()
    second.conn.commit()
    item = world.item("hospital", observation("hospital", entered(world, "later"), "later"))
    world.publish(item)
    assert not sees(world, SHELTER, item)

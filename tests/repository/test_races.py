"""Two who write at the same moment, over two connections: whatever comes first, no class is left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic, sleep

import psycopg
import pytest
from repository_world import SHELTER, World, observation
from test_reprofile import authorship, consent, deny_to, sees, written_by

from exchange.consent import Context
from exchange.model.errors import Conflict
from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import known_labels, publish
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.disclosure.ruling import redecide_all


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


def _beside(world, second, first, then):
    """Publishes `first`, and `then` over the other connection, which has to wait; both are stored."""
    publish(world.conn, [first], (), world.context, world.at)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.publish, then)
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        world.conn.commit()
        assert waiting.result(timeout=30).outcomes[0].kind == "published"


@pytest.mark.parametrize("consent_first", [True, False], ids=["consent first", "author first"])
def test_who_wrote_a_record_is_told_beside_a_refusal_of_what_he_wrote(world, second, consent_first):
    """What says so is about nobody: it is the record's person who has to be kept from the other."""
    patient = world.patient("hospital", "1")
    record = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(record, world.item("hospital", authorship(record, "y")))
    refusal = world.item("hospital", consent(patient, provision=written_by("x", "shelter")))
    author = world.item("hospital", authorship(record, "x"))
    _beside(world, second, *((refusal, author) if consent_first else (author, refusal)))
    assert not sees(world, SHELTER, record)


def _labels(world, item):
    name = f"{item.resource['resourceType']}/{item.resource['id']}"
    return known_labels(world.conn, [name]).get(name, Labels()).codes


@pytest.mark.parametrize("label_first", [True, False], ids=["label first", "record first"])
@pytest.mark.parametrize("about", ["somebody", "nobody"])
def test_a_label_and_what_refers_to_it_published_beside_each_other(world, second, label_first, about):
    patient = world.patient("hospital", "1")
    telling = {
        "somebody": observation("hospital", patient, "reason"),
        "nobody": {
            "resourceType": "Organization",
            "id": resource_id("https://hospital.example/", "Organization", "clinic"),
            "name": "Positive Living",
        },
    }[about]
    name = {"reference": f"{telling['resourceType']}/{telling['id']}"}
    referring = "derivedFrom" if about == "somebody" else "performer"
    record = world.item("hospital", observation("hospital", patient, "a", **{referring: [name]}))
    labelled = world.item("hospital", telling, labels=Labels("R", frozenset({"HIV"})))
    _beside(world, second, *((labelled, record) if label_first else (record, labelled)))
    assert _labels(world, record) == {"HIV"}
    assert not sees(world, SHELTER, record)


def _role_of_a_labelled_clinic(world, name):
    """A practitioner's role that is labelled by the organization it names: not known beforehand."""
    clinic = {
        "resourceType": "Organization",
        "id": resource_id("https://hospital.example/", "Organization", "clinic"),
        "name": "Positive Living",
    }
    world.publish(world.item("hospital", clinic, labels=Labels("R", frozenset({"HIV"}))))
    return {
        "resourceType": "PractitionerRole",
        "id": resource_id("https://hospital.example/", "PractitionerRole", name),
        "organization": {"reference": f"Organization/{clinic['id']}"},
    }


def test_a_label_for_a_place_that_is_stored_waits_for_who_refers_to_it(world, second):
    patient = world.patient("hospital", "1")
    role = _role_of_a_labelled_clinic(world, "r")
    performer = [{"reference": f"PractitionerRole/{role['id']}"}]
    record = world.item("hospital", observation("hospital", patient, "a", performer=performer))
    _beside(world, second, record, world.item("hospital", role))
    assert _labels(world, record) == {"HIV"}


def test_two_who_both_learn_of_a_label_for_a_place_do_not_wait_for_each_other(world, second, database):
    """Neither keeps what the other waits for: the lock on the person, or a share of the directory."""
    patient = world.patient("hospital", "1")
    records = [world.item("hospital", observation("hospital", patient, name)) for name in "ab"]
    roles = [world.item("hospital", _role_of_a_labelled_clinic(world, name)) for name in "rs"]
    world.conn.commit()
    with psycopg.connect(database) as third, ThreadPoolExecutor(2) as threads:
        third.execute("SELECT FROM patient FOR UPDATE")
        pairs = zip((world, second), roles, records, strict=True)
        both = [threads.submit(one.publish, role, record) for one, role, record in pairs]
        for one in (world, second):
            _wait_until_blocked(third, one.conn.info.backend_pid)
        third.rollback()
        found = [outcome.kind for waiting in both for outcome in waiting.result(timeout=30).outcomes]
    assert found == ["published"] * 4
    assert [_labels(world, role) for role in roles] == [{"HIV"}, {"HIV"}]


@pytest.mark.parametrize("moves", ["1", "2"])
def test_a_denial_waits_for_a_record_that_waited_for_a_link(world, second, database, moves):
    """The record was published for a Patient who became part of another person while it waited."""
    one, two = world.patient("hospital", "1"), world.patient("clinic", "2")
    stays = two if moves == "1" else one
    record = world.item("hospital", observation("hospital", one, "a"))
    denial = world.item("clinic", consent(two, provision=deny_to("shelter")))
    world.conn.execute(
        "INSERT INTO patient_edge (a, b, grade, probability, basis)"
        " SELECT p.patient, q.patient, 'certain', 1, 'steward' FROM patient p, patient q"
        " WHERE p.fhir_id <> q.fhir_id"
    )
    world.conn.execute("UPDATE patient SET person = %s WHERE person <> %s", (stays, stays))
    numbers = {row[0] for row in world.conn.execute("SELECT patient FROM patient").fetchall()}
    reprofile(world.conn, numbers, world.context, world.at)
    with ThreadPoolExecutor(2) as threads, psycopg.connect(database) as other:
        third = World(other, world.context, records=iter(range(2_000_000, 3_000_000)))
        waiting = threads.submit(publish, second.conn, [record], (), world.context, world.at)
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        world.conn.commit()
        waiting.result(timeout=30)
        denying = threads.submit(third.publish, denial)
        _wait_until_blocked(world.conn, other.info.backend_pid)
        second.conn.commit()
        assert denying.result(timeout=30).outcomes[0].kind == "published"
    assert not sees(world, SHELTER, record)


def test_a_withdrawn_permit_ends_for_who_was_linked_while_it_was_withdrawn(world, second):
    """The Consent of one Patient is deleted while another becomes the same person."""
    one, two = world.patient("hospital", "1"), world.patient("clinic", "2")
    denial = consent(one, provision=deny_to("shelter"))
    world.publish(world.item("hospital", denial))
    record = world.item("clinic", observation("clinic", two, "a"))
    world.publish(record)
    assert sees(world, SHELTER, record)
    world.conn.execute(
        "INSERT INTO patient_edge (a, b, grade, probability, basis)"
        " SELECT p.patient, q.patient, 'certain', 1, 'steward' FROM patient p, patient q"
        " WHERE p.fhir_id <> q.fhir_id"
    )
    world.conn.execute("UPDATE patient SET person = %s", (one,))
    numbers = {row[0] for row in world.conn.execute("SELECT patient FROM patient").fetchall()}
    reprofile(world.conn, numbers, world.context, world.at)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.publish, deleted=(f"Consent/{denial['id']}",))
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        world.conn.commit()
        waiting.result(timeout=30)
    assert sees(world, SHELTER, record)
    profiles = world.conn.execute("SELECT count(DISTINCT profile) FROM patient").fetchone()
    assert profiles == (1,)


def _stricter(context):
    """The same coalition after the shelter's agreement has ended."""
    shelter = replace(context.participants["shelter"], agreement_until=datetime(2026, 1, 1, tzinfo=UTC))
    return Context(context.rules, {**context.participants, "shelter": shelter})


def test_who_publishes_under_the_rules_of_before_is_turned_away(world, second):
    patient = world.patient("hospital", "1")
    record = world.item("hospital", observation("hospital", patient, "a"))
    register_participants(world.conn, _stricter(world.context), world.at)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.publish, record)
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        world.conn.commit()
        with pytest.raises(Conflict):
            waiting.result(timeout=30)


def test_new_rules_wait_for_who_is_publishing_and_decide_what_he_stored(world, second):
    patient = world.patient("hospital", "1")
    record = world.item("hospital", observation("hospital", patient, "a"))
    publish(world.conn, [record], (), world.context, world.at)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(redecide_all, second.conn, _stricter(world.context), world.at)
        _wait_until_blocked(world.conn, second.conn.info.backend_pid)
        assert world.conn.execute("SELECT count(*) FROM disclosure").fetchone() != (0,)
        world.conn.commit()
        assert waiting.result(timeout=30) > 0
        second.conn.commit()
    whole = world.conn.execute(
        "SELECT count(*) FROM resource r WHERE NOT EXISTS (SELECT FROM disclosure d WHERE d.class = r.class)"
    ).fetchone()
    assert whole == (0,)

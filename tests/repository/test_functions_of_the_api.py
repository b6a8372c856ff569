"""Functions that work with the owner's rights keep to who asks, whatever they are called with."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

AT = datetime(2026, 6, 1, tzinfo=UTC)
NOBODY = "00000000-0000-4000-8000-000000000000"
ONE = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def kept(module_database):
    """Two participants, each for treatment and for an emergency; the hospital with two clients."""
    with psycopg.connect(module_database) as conn:
        conn.execute(
            "INSERT INTO viewer (participant, role, purpose, emergency)"
            " SELECT p, 'organization', u, u = 'BTG'"
            " FROM unnest('{hospital,clinic}'::text[]) p, unnest('{TREAT,BTG}'::text[]) u"
        )
        conn.execute(
            "INSERT INTO client (client_id, participant, jwks, scopes, roles, purposes, registered)"
            " SELECT c, split_part(c, '-', 1), '{}', '{}', '{}', '{}', now()"
            " FROM unnest('{hospital-1,hospital-2,clinic-1}'::text[]) c"
        )
        conn.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, gen_random_uuid(), 'clinic', %s, '{}')",
            (ONE, ONE),
        )
        conn.commit()
        yield conn


@pytest.fixture
def conn(kept):
    yield kept
    kept.rollback()


def enter(conn, participant, purpose="TREAT"):
    conn.execute("SET LOCAL ROLE exchange_api")
    conn.execute("SELECT enter_view(%s, 'organization', %s, %s)", (participant, purpose, AT))


def refused(conn, statement, arguments=()):
    with pytest.raises(InsufficientPrivilege, match="this viewer may not"), conn.transaction():
        conn.execute(statement, arguments)


STATE = "SELECT state_care(%s, 's', ARRAY[%s]::uuid[], current_instant() + interval '1 hour')"


def test_nobody_states_that_somebody_is_in_his_care(conn):
    conn.execute("SET LOCAL ROLE exchange_api")
    refused(conn, STATE, ("attestation", NOBODY))


def test_no_viewer_states_a_referral_which_comes_of_a_record(conn):
    enter(conn, "hospital")
    refused(conn, STATE, ("referral", ONE))


def test_a_viewer_who_pretends_an_emergency_is_nobody(conn):
    """The setting is the caller's; a relationship by a broken glass is for who broke it."""
    conn.execute(
        "INSERT INTO relationship SELECT 'hospital', patient, 'break-glass', 'infinity' FROM patient"
    )
    enter(conn, "hospital")
    conn.execute("SELECT set_config('exchange.emergency', 'true', true)")
    assert conn.execute("SELECT count(*) FROM relationship").fetchone() == (0,)
    refused(conn, STATE, ("break-glass", ONE))


def broken(conn, participant, most, hours=1):
    enter(conn, participant, "BTG")
    until = f"current_instant() + interval '{hours} hours'"
    asked = f"SELECT break_glass('c', %s, '{{}}', {until}, %s)"
    return conn.execute(asked, (ONE, most)).fetchone()[0]


def test_emergencies_of_others_and_those_that_ended_are_not_counted(conn):
    assert broken(conn, "clinic", 1)
    assert broken(conn, "hospital", 1, hours=-1)
    assert broken(conn, "hospital", 1)
    assert not broken(conn, "hospital", 1)


PUSH = "SELECT keep_push(%s, 'k', '\\x00', 'batch', '{PUT}', '\\x00', 9)"


def test_an_emergency_pushes_nothing(conn):
    enter(conn, "hospital", "BTG")
    refused(conn, PUSH, ("hospital-1",))


@pytest.fixture
def pushed(conn):
    """The first push of the hospital, and what became of it."""
    enter(conn, "hospital")
    assert conn.execute(PUSH, ("hospital-1",)).fetchone() == (1,)
    conn.execute("RESET ROLE")
    conn.execute("INSERT INTO run (partner, started) VALUES ('hospital', now())")
    conn.execute(
        "INSERT INTO source_record (run, partner, feed, key, digest, position, deleted, outcome)"
        " SELECT max(run), 'hospital', 'push', 'k', '\\x00', 'push/1', false, 'published' FROM run"
    )


@pytest.mark.parametrize(
    ("participant", "client", "rows"),
    [("hospital", "hospital-1", 1), ("hospital", "hospital-2", 0), ("clinic", "hospital-1", 0)],
)
def test_a_push_is_told_to_the_client_that_sent_it_and_to_no_other(conn, pushed, participant, client, rows):
    enter(conn, participant)
    for function in ("push_of", "push_outcomes"):
        assert len(conn.execute(f"SELECT * FROM {function}(1, %s)", (client,)).fetchall()) == rows


FACTS = {"channel": {"type": "rest_hook"}, "role": "organization", "purpose": "TREAT"}
SUBSCRIBE = "SELECT keep_subscription(%s, %s, %s, '{resource-published}', '', '{}', 'requested', 9)"


def subscribe(purpose="TREAT", client="hospital-1", **changes):
    return ONE, client, Jsonb({**FACTS, "purpose": purpose, **changes})


@pytest.mark.parametrize(
    ("purpose", "asked"),
    [
        ("BTG", subscribe("BTG")),
        ("TREAT", subscribe("BTG")),
        ("TREAT", subscribe(role="physician")),
        ("TREAT", subscribe(client="clinic-1")),
        ("TREAT", subscribe(channel={"type": "folder"})),
    ],
)  # fmt: skip
def test_a_subscription_is_of_its_own_viewer_and_client_and_of_no_emergency(conn, purpose, asked):
    enter(conn, "hospital", purpose)
    refused(conn, SUBSCRIBE, asked)


def test_a_client_that_was_shut_out_subscribes_to_nothing(conn):
    conn.execute(
        "UPDATE client SET disabled = now(), disabled_by = 'participant' WHERE client_id = 'hospital-1'"
    )
    enter(conn, "hospital")
    refused(conn, SUBSCRIBE, subscribe())


@pytest.fixture
def subscribed(conn):
    """The hospital's first client subscribed, and was told of one thing."""
    enter(conn, "hospital")
    assert conn.execute(SUBSCRIBE, subscribe()).fetchone() == (True,)
    conn.execute("RESET ROLE")
    conn.execute(
        "INSERT INTO delivery_event (subscription, event, topic, at, type, fhir_id, rendition, number)"
        " SELECT subscription, 1, 'resource-published', now(), 'Observation', %s, 0, 1 FROM subscription",
        (ONE,),
    )


@pytest.mark.parametrize(
    ("participant", "client", "rows"),
    [("hospital", "hospital-1", 1), ("hospital", "hospital-2", 0), ("clinic", "hospital-1", 0)],
)
def test_a_subscription_is_told_to_its_client_alone(conn, subscribed, participant, client, rows):
    enter(conn, participant)
    assert seen(conn, client) == (rows, rows)


def seen(conn, client):
    """How many subscriptions, and events of the one there is."""
    own = conn.execute("SELECT * FROM own_subscriptions(%s)", (client,)).fetchall()
    events = conn.execute("SELECT * FROM own_events(%s, %s, 1, 9, 9)", (ONE, client)).fetchall()
    return len(own), len(events)


def test_one_that_ended_is_told_no_more(conn, subscribed):
    conn.execute("UPDATE subscription SET ended = now()")
    enter(conn, "hospital")
    assert seen(conn, "hospital-1") == (0, 0)


def test_another_client_of_the_same_participant_does_not_take_it_over(conn, subscribed):
    enter(conn, "hospital")
    assert conn.execute(SUBSCRIBE, subscribe(client="hospital-2")).fetchone() == (False,)
    assert seen(conn, "hospital-1") == (1, 1)


EXPORT = (
    "SELECT ask_export(%s, 'organization', 'TREAT', 'hospital-1', '', '{}', now(), 'k', 'infinity', 9, 9)"
)


def test_an_export_and_its_files_are_seen_by_who_asked_for_it_alone(conn):
    enter(conn, "hospital")
    assert conn.execute(EXPORT, (ONE,)).fetchone() == (True,)
    conn.execute("RESET ROLE")
    conn.execute("INSERT INTO export_file VALUES (%s, 0, 'output', 'Patient', 1)", (ONE,))
    for participant, rows in (("hospital", 1), ("clinic", 0)):
        enter(conn, participant)
        for table in ("export_job", "export_file"):
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,), (participant, table)
        conn.execute("RESET ROLE")

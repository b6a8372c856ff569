"""Logged in as the API's role, with any SQL at all: what a viewer sees, and nothing written but audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from repository_world import HOSPITAL, SHELTER, World, observation

from exchange.model.records import Labels
from exchange.repository import url_with
from exchange.repository.disclosure.registering import register_participants

READABLE = {
    "export_job",
    "export_file",
    "resource", "resource_history", "disclosure", "relationship", "patient_edge", "patient_apart", "patient",
    "index_token", "index_reference", "index_date", "index_string", "index_quantity",
    "client", "revoked_token", "panel", "blocking_key", "opened",
}  # fmt: skip
CALLABLE = {
    "keep_push", "push_of", "push_outcomes", "ask_export",
    "claim_export",
    "note_export",
    "drop_export",
    "ended_exports",
    "forget_export",
    "settled_instant",
    "own_people",
    "deleted_since", "deletions_told",
    "audit_append", "audit_hash", "use_client_assertion", "revoke_token", "enter_view", "current_action",
    "keep_subscription", "own_subscriptions", "own_events", "drop_subscription",
    "within_clock", "not_ahead",
    "current_viewer", "current_emergency", "current_participant", "current_instant", "current_scope",
    "current_minimum", "current_searchable", "sees_patient", "discloses", "in_scope", "row_in_scope",
    "log_end", "has_replayed", "links_changed",
    "whole_type_in_scope", "unbroken", "shown_classes", "shows_whole", "certainly_one", "same_people",
    "state_care", "break_glass", "keep_panel", "drop_panel", "consent_scopes", "consents_shown",
}  # fmt: skip
"""Another one needs a reason, and a look at what it tells and writes."""

HIV = Labels("R", frozenset({"HIV"}))


@pytest.fixture(scope="module")
def world(module_database, context):
    """Now is now: this login is held to the server's clock."""
    with psycopg.connect(module_database) as conn:
        now = datetime.now(UTC)
        register_participants(conn, context, now)
        found = World(conn, context, now)
        patient = found.patient("hospital", "1", name=[{"family": "Rivera"}])
        shown = found.item("hospital", observation("hospital", patient, "open"))
        code = {"coding": [{"system": "http://loinc.org", "code": "25836-8"}]}
        hidden = found.item("hospital", observation("hospital", patient, "hiv", code=code), labels=HIV)
        found.publish(shown, hidden)
        yield found


@pytest.fixture
def api(world, module_database):
    """The shelter's view: it sees the patient's glucose and not the other."""
    with psycopg.connect(url_with(module_database, user="exchange_api"), autocommit=True) as conn:
        yield conn


def _enter(conn, viewer, at=None):
    names = (viewer.participant, viewer.role, viewer.purpose)
    return conn.execute("SELECT enter_view(%s, %s, %s, %s)", (*names, at)).fetchone()


def _number(world, viewer):
    names = (viewer.participant, viewer.role, viewer.purpose)
    query = "SELECT viewer FROM viewer WHERE (participant, role, purpose) = (%s, %s, %s)"
    return world.conn.execute(query, names).fetchone()[0]


def _count(conn, table="resource"):
    return conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_it_reads_the_tables_that_have_policies_and_no_other(world):
    rows = world.conn.execute(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND CASE relkind WHEN 'S'"
        " THEN has_sequence_privilege('exchange_api', oid, 'USAGE, SELECT, UPDATE')"
        " ELSE has_any_column_privilege('exchange_api', oid, 'SELECT') END"
    ).fetchall()
    assert {name for name, _ in rows} == READABLE
    assert {name for name, protected in rows if not protected} <= {"client", "revoked_token"}


def test_it_writes_to_no_table_and_makes_nothing(world):
    (written,) = world.conn.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND has_table_privilege('exchange_api', oid, 'INSERT, UPDATE, DELETE,"
        " TRUNCATE, REFERENCES, TRIGGER')"
    ).fetchone()
    assert written == 0
    (makes,) = world.conn.execute(
        "SELECT has_schema_privilege('exchange_api', 'public', 'CREATE')"
    ).fetchone()
    assert not makes


def test_it_calls_the_functions_that_were_looked_at_and_no_other(world):
    rows = world.conn.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND prorettype <> 'trigger'::regtype AND has_function_privilege('exchange_api', oid, 'EXECUTE')"
    ).fetchall()
    assert {name for (name,) in rows} <= CALLABLE


def test_every_function_that_reads_as_the_owner_has_a_search_path_of_its_own(world):
    rows = world.conn.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " AND NOT coalesce(proconfig, '{}') @> '{\"search_path=public, pg_temp\"}'"
    ).fetchall()
    assert rows == []


def test_every_table_with_policies_has_them_for_its_readers_alone(world):
    """No policy for everybody, none that lets write, none on a table whose security is off."""
    rows = world.conn.execute(
        "SELECT tablename, policyname FROM pg_policies WHERE roles <> '{exchange_api}' OR cmd <> 'SELECT'"
    ).fetchall()
    assert rows == []


def test_an_export_is_ended_by_who_asked_for_it_alone(world):
    world.conn.rollback()  # within what another test began, the view's role would outlast it
    world.at = datetime.now(UTC)  # another test may have asked since the module began
    job = "00000000-0000-4000-8000-000000000001"
    asked = "SELECT ask_export(%s, 'organization', %s, 'c', '', '{}', now(), 'k', 'infinity', 9, 9)"
    with world.as_viewer(HOSPITAL) as view:
        assert view.conn.execute(asked, (job, HOSPITAL.purpose)).fetchone() == (True,)
    for viewer, ended in ((SHELTER, False), (HOSPITAL, True)):
        with world.as_viewer(viewer) as view:
            assert view.conn.execute("SELECT drop_export(%s)", (job,)).fetchone() == (ended,)


REFUSED = [
    "COPY resource TO PROGRAM 'cat'",
    "COPY patient (features) TO STDOUT",
    "COPY client FROM PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "SELECT profile FROM patient",
    "SELECT last_value FROM latest_instant",
    "SELECT setval('latest_instant', 0)",
    "SELECT advance_clock('2020-01-01')",
    "SELECT derive_stated_care('{1}')",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER TABLE resource DISABLE ROW LEVEL SECURITY",
    "DROP POLICY disclosed ON resource",
    "CREATE POLICY all_ ON resource USING (true)",
    "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.current_viewer() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER FUNCTION current_viewer() COST 1",
    "GRANT SELECT ON withheld TO exchange_api",
    "ALTER ROLE exchange_api BYPASSRLS",
    "SET session_replication_role = replica",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "BEGIN; LOCK TABLE resource IN EXCLUSIVE MODE",
    "SELECT * FROM resource FOR UPDATE",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'exchange_api'",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_it_may_not_do_is_refused(api, statement):
    _enter(api, HOSPITAL)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)):
        api.execute(statement)


def test_turning_row_security_off_is_an_error_and_no_way_round(api):
    api.execute("SET row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("SELECT count(*) FROM resource")


def test_a_copy_shows_what_a_select_would(api):
    with api.transaction(), api.cursor() as cursor:
        _enter(api, SHELTER)
        with cursor.copy("COPY (SELECT body FROM resource) TO STDOUT") as out:
            told = b"".join(bytes(part) for part in out)
    assert b"25836-8" not in told


def test_a_viewer_of_one_does_not_get_the_relationships_of_another(world, api):
    """Settings are the caller's to set; together they must be those of one viewer."""
    with api.transaction():
        api.execute(
            "SELECT set_config('exchange.viewer', %s, true),"
            " set_config('exchange.participant', 'hospital', true),"
            " set_config('exchange.emergency', 'false', true), set_config('exchange.at', now()::text, true)",
            (str(_number(world, SHELTER)),),
        )
        assert api.execute("SELECT DISTINCT participant FROM relationship").fetchall() in ([], [("shelter",)])


def test_an_emergency_that_nobody_declared_opens_no_relationship(world, api):
    with api.transaction():
        _enter(api, HOSPITAL)
        before = _count(api, "relationship")
        api.execute("SELECT set_config('exchange.emergency', 'true', true)")
        assert (before > 0, _count(api, "relationship")) == (True, 0)


@pytest.mark.parametrize("days", [-400, 400])
def test_another_instant_by_a_setting_is_the_clocks(world, api, days):
    with api.transaction():
        _enter(api, HOSPITAL)
        pretended = datetime.now(UTC) + timedelta(days=days)
        api.execute("SELECT set_config('exchange.at', %s, true)", (pretended.isoformat(),))
        (instant,) = api.execute("SELECT current_instant()").fetchone()
    assert abs(instant - datetime.now(UTC)) < timedelta(minutes=11)


def test_a_viewer_cannot_be_entered_in_the_future_and_the_clock_is_not_moved(world, api):
    before = world.conn.execute("SELECT last_value FROM latest_instant").fetchone()
    with pytest.raises(psycopg.Error, match="clock runs ahead"):
        _enter(api, HOSPITAL, datetime.now(UTC) + timedelta(days=1))
    _enter(api, HOSPITAL, datetime.now(UTC) + timedelta(minutes=5))
    (after,) = world.conn.execute("SELECT last_value FROM latest_instant").fetchone()
    assert after - before[0] < 240_000


LEAKY = [
    "SELECT count(*) FROM resource WHERE 1 / (class - class) = 1",
    "SELECT count(*) FROM resource WHERE convert_from(body, 'UTF8')::jsonb ->> 'none' = '1'",
    "SELECT count(*) FROM index_string WHERE value::int = 1",
    "SELECT count(*) FROM index_token WHERE pg_sleep(key / 0) IS NULL",
]


@pytest.mark.parametrize("statement", LEAKY)
def test_a_function_that_tells_its_arguments_is_not_run_on_hidden_rows(api, statement):
    """Nobody's view: no row is shown, so none may reach the function, whatever it is thought to cost."""
    assert api.execute(statement).fetchone() == (0,)


def test_statistics_of_columns_that_have_policies_are_not_shown(world, api):
    world.conn.execute("ANALYZE")
    world.conn.commit()
    hidden = api.execute("SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'").fetchall()
    assert {name for (name,) in hidden} <= {"client", "revoked_token"}


def test_a_scope_is_no_way_to_ask_about_a_hidden_record(world, api):
    """in_scope() reads as the owner: with a scope of one's own it would tell which codes any record has."""
    hidden = world.conn.execute(
        "SELECT x.rid, x.key FROM index_token x JOIN resource r USING (rid) JOIN disclosure_class c"
        " ON c.class = r.class WHERE c.labels @> '{HIV}' AND r.type = 'Observation'"
    ).fetchall()
    assert hidden
    with api.transaction():
        _enter(api, SHELTER)
        for rid, key in hidden:
            scope = f'{{"Observation": [[[[{key}, null]]]]}}'
            api.execute("SELECT set_config('exchange.scope', %s, true)", (scope,))
            told = api.execute("SELECT in_scope('Observation', %s), row_in_scope(%s)", (rid, rid)).fetchone()
            assert told == (False, False)


def test_what_a_function_says_of_a_class_is_what_the_policy_shows(world, api):
    rows = world.conn.execute("SELECT rid, class, patient FROM resource").fetchall()
    for viewer in (HOSPITAL, SHELTER):
        with api.transaction():
            _enter(api, viewer)
            shown = {row[0] for row in api.execute("SELECT rid FROM resource").fetchall()}
            said = {
                rid
                for rid, class_, patient in rows
                if api.execute("SELECT discloses(%s, %s)", (class_, patient)).fetchone()[0]
            }
        assert shown == said


def test_a_token_taken_back_stays_taken_back(world, api):
    api.execute("SELECT revoke_token('t1', now() + interval '5 minutes', now())")
    api.execute("SELECT revoke_token('t2', now() + interval '5 minutes', 'infinity')")
    assert _count(api, "revoked_token") == 2
    used = "SELECT use_client_assertion('c', %s, now() + interval '5 minutes', %s::timestamptz)"
    assert api.execute(used, ("j1", "now")).fetchone() == (True,)
    api.execute(used, ("j2", "infinity"))
    assert api.execute(used, ("j1", "now")).fetchone() == (False,)


def test_the_audit_log_takes_and_gives_nothing_back(api):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("SELECT * FROM audit_event")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("DELETE FROM audit_event")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("UPDATE audit_head SET sequence = 0")

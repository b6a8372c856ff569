"""Row-level security shows what decide() permitted, to nobody else and no longer."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from repository_world import AT, CLINIC, HOSPITAL, SHELTER, observation

from exchange.model.errors import Conflict
from exchange.model.records import Labels, Viewer
from exchange.repository import redecide_all, url_with
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.viewers import NO_DIRECTIVES
from exchange.repository.reading.read import read

FILTERED = (
    "resource",
    "resource_history",
    "index_token",
    "index_reference",
    "index_date",
    "index_string",
    "index_quantity",
    "patient",
    "patient_edge",
)
HIV = Labels("R", frozenset({"HIV"}))


def _sees(world, viewer, item, at=None):
    with world.as_viewer(viewer, at) as view:
        return read(view, item.resource["resourceType"], item.resource["id"]) is not None


@pytest.fixture(scope="module")
def stocked(shared_world):
    """A world with one Patient and one Observation, only to be read."""
    patient = shared_world.patient("hospital", "1", name=[{"family": "Rivera"}])
    shared_world.publish(shared_world.item("hospital", observation("hospital", patient, "a")))
    yield shared_world
    shared_world.conn.rollback()


@pytest.fixture
def measured(world):
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    return item


@pytest.mark.parametrize("table", FILTERED)
def test_without_a_viewer_every_table_is_empty(stocked, table):
    stocked.conn.execute("SET LOCAL ROLE exchange_api")
    count = "fhir_id" if table == "patient" else "*"
    column = "count(a)" if table == "patient_edge" else f"count({count})"
    found = stocked.conn.execute(f"SELECT {column} FROM {table}").fetchone()
    stocked.conn.rollback()
    assert found == (0,)


@pytest.mark.parametrize("table", FILTERED)
def test_a_viewer_nobody_registered_sees_nothing(stocked, table):
    with stocked.as_viewer(Viewer("hospital", "organization", "HMARKT")) as view:
        column = {"patient": "patient", "patient_edge": "a"}.get(table, "class")
        assert view.conn.execute(f"SELECT count({column}) FROM {table}").fetchone() == (0,)


def test_the_role_of_the_api_reads_no_other_table(world):
    granted = world.conn.execute(
        "SELECT c.relname FROM pg_class c"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = 'public'::regnamespace"
        " AND has_table_privilege('exchange_api', c.oid, 'SELECT') AND NOT c.relrowsecurity"
    ).fetchall()
    assert {row[0] for row in granted} <= {"client", "revoked_token"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM withheld",
        "SELECT * FROM source_record",
        "SELECT * FROM directive",
        "SELECT * FROM link_event",
        "SELECT * FROM disclosure_class",
        "SELECT features FROM patient",
        "SELECT person FROM patient",
        "UPDATE resource SET class = 1",
        "DELETE FROM index_token",
        "INSERT INTO disclosure SELECT * FROM disclosure",
        "INSERT INTO relationship VALUES ('clinic', 1, 'attestation', now())",
    ],
)
def test_what_the_role_may_not_do_is_refused_by_the_database(stocked, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), stocked.as_viewer(HOSPITAL) as view:
        view.conn.execute(statement)


def test_the_login_of_the_api_cannot_become_anybody_else(database):
    with psycopg.connect(url_with(database, user="exchange_api")) as conn:
        conn.execute("RESET ROLE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SET ROLE postgres")


def test_a_viewer_reads_his_own_permits_and_relationships_only(world, measured):
    with world.as_viewer(CLINIC) as view:
        own = view.conn.execute("SELECT DISTINCT viewer FROM disclosure").fetchall()
        assert view.conn.execute("SELECT count(*) FROM relationship").fetchone() == (0,)
    number = world.conn.execute("SELECT viewer FROM viewer WHERE participant = 'clinic'").fetchone()
    assert own == [number]


def test_treatment_needs_a_relationship_which_comes_with_a_sure_link_and_ends(world, measured):
    assert not _sees(world, CLINIC, measured)
    own = world.patient("clinic", "7")
    world.link(own, f"{measured.patient}", "probable")
    assert not _sees(world, CLINIC, measured)
    world.conn.execute("UPDATE patient_edge SET grade = 'certain'")
    world.link_again(own)
    assert _sees(world, CLINIC, measured)
    assert not _sees(world, CLINIC, measured, AT + timedelta(days=3 * 365 + 1))


def test_a_label_closes_a_record_to_some_and_not_to_its_source(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"), labels=HIV)
    world.publish(item)
    assert (_sees(world, HOSPITAL, item), _sees(world, SHELTER, item)) == (True, False)


def test_the_policy_on_patients_shows_those_whose_patient_resource_is_shown(world):
    shown = world.patient("hospital", "1")
    world.patient("hospital", "2", labels=HIV)
    with world.as_viewer(SHELTER) as view:
        resources = view.conn.execute("SELECT fhir_id FROM resource WHERE type = 'Patient'").fetchall()
        patients = view.conn.execute("SELECT fhir_id FROM patient").fetchall()
    assert [str(row[0]) for row in patients] == [shown]
    assert patients == resources


def test_the_history_is_closed_when_the_present_is(world, measured):
    world.publish(world.item("hospital", {**measured.resource, "status": "amended"}))
    history = "SELECT count(*) FROM resource_history"
    with world.as_viewer(SHELTER) as view:
        assert view.conn.execute(history).fetchone() == (1,)
    world.publish(world.item("hospital", {**measured.resource, "status": "corrected"}, labels=HIV))
    with world.as_viewer(SHELTER) as view:
        assert view.conn.execute(history).fetchone() == (0,)


def test_deciding_all_again_changes_nothing_when_nothing_changed(world, measured):
    rows = "SELECT viewer, class, needs_relationship, because FROM disclosure ORDER BY 1, 2"
    before = world.conn.execute(rows).fetchall()
    redecide_all(world.conn, world.context, AT)
    assert world.conn.execute(rows).fetchall() == before
    assert register_participants(world.conn, world.context, AT) is False


def test_a_process_with_old_rules_may_not_publish(world, context):
    others = type(context)(context.rules, {"hospital": context.participants["hospital"]})
    assert register_participants(world.conn, others, AT) is True
    with pytest.raises(Conflict):
        world.patient("hospital", "1")


def test_nobody_keeps_a_permit_that_outlasts_the_repositorys_own(world, measured):
    outlasting = world.conn.execute(
        "SELECT count(*) FROM disclosure d WHERE NOT EXISTS ("
        "SELECT FROM disclosure r JOIN viewer v USING (viewer)"
        " WHERE v.participant = 'exchange' AND r.class = d.class"
        " AND r.valid_from <= d.valid_from AND r.valid_until >= d.valid_until)"
    ).fetchone()
    assert outlasting == (0,)
    assert NO_DIRECTIVES.groups == ()

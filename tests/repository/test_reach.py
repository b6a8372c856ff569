"""Who cares for few people is answered from their records alone, and finds all that he sees."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from repository_world import AT, BASE, CLINIC, HOSPITAL, KEY, observation

from exchange.model.ids import resource_id
from exchange.repository import redecide_all, search
from exchange.repository.reading import reach

PEOPLE, EACH = 150, 12


@pytest.fixture(scope="module")
def stocked(shared_world):
    """People of the hospital; the clinic cares for one of them."""
    world = shared_world
    for n in range(PEOPLE):
        patient = world.patient("hospital", str(n), name=[{"family": f"Family{n}"}], gender="other")
        world.publish(
            *(world.item("hospital", observation("hospital", patient, f"{n}-{k}")) for k in range(EACH))
        )
    world.conn.execute(
        "INSERT INTO relationship (participant, patient, basis, until)"
        " SELECT 'clinic', min(patient), 'panel', %s FROM patient",
        (AT + timedelta(days=30),),
    )
    world.conn.execute("ANALYZE")
    world.conn.commit()
    return world


_FETCHED = (
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"
    " WHERE relname = ANY(%s)"
)
_RECORDS = ["resource", "index_token", "index_date", "index_string"]


def _read(world, viewer, kind, asked):
    """Rows fetched for a search, and the page."""
    with world.as_viewer(viewer) as view:
        view.conn.execute("SET LOCAL enable_seqscan = off")  # so few are quicker read in turn
        (before,) = view.conn.execute(_FETCHED, (_RECORDS,)).fetchone()
        page = search(view, kind, parse_qsl(asked), BASE, KEY)
        (after,) = view.conn.execute(_FETCHED, (_RECORDS,)).fetchone()
        view.conn.execute("RESET ROLE")
    return after - before, page


@pytest.mark.parametrize(
    "asked",
    [
        "status=final&_count=10",
        "status=final&_count=10&_total=accurate",
        "_sort=-date&_count=10",
        "date=ge2026&_count=10",
        "_count=10",
        "_summary=count",
        "encounter.status=finished",
        "_has:DiagnosticReport:result:status=final",
    ],
)
def test_the_records_of_everybody_else_are_not_looked_at(stocked, asked):
    fetched, _ = _read(stocked, CLINIC, "Observation", asked)
    assert fetched <= 20 * EACH < PEOPLE * EACH / 5


@pytest.mark.parametrize("asked", ["gender=other", "_summary=count", "_sort=family"])
def test_nor_is_everybody_else(stocked, asked):
    fetched, _ = _read(stocked, CLINIC, "Patient", asked)
    assert fetched <= 10


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("Observation", "status=final&_count=7"),
        ("Observation", "status:not=final"),
        ("Observation", "_sort=-date,_id&_count=7"),
        ("Observation", "_has:Observation:derived-from:status=final"),
        ("Observation", "patient.gender=other&_count=7"),
        ("Observation", "subject:missing=true"),
        ("Patient", "gender=other"),
        ("Patient", "gender:not=male"),
        ("Patient", "_has:Observation:patient:status=final"),
    ],
)
def test_by_name_or_among_all_the_same_is_found(stocked, monkeypatch, kind, asked):
    asked += "&_total=accurate"
    found = [_told(page) for page in stocked.pages(CLINIC, kind, asked)]
    monkeypatch.setattr(reach, "_reached", lambda *_: None)
    assert found == [_told(page) for page in stocked.pages(CLINIC, kind, asked)]


def _told(page):
    return page.total, [(entry.full_url, entry.body) for entry in page.entries], bool(page.next)


def test_what_it_sent_itself_is_found_whomever_it_is_about(stocked, stranger):
    """Its own Patient, and one of another of whom it sent something and for whom it does not care."""
    own = stocked.patient("clinic", "own", name=[{"family": "Own"}], gender="other")
    for who in (own, stranger):
        stocked.publish(stocked.item("clinic", observation("clinic", who, who)))
    fetched, page = _read(stocked, CLINIC, "Observation", "status=final&_total=accurate&_count=100")
    assert page.total == len(page.entries) == EACH + 2
    assert fetched <= 20 * EACH
    _, page = _read(stocked, CLINIC, "Patient", "gender=other&_total=accurate")
    assert page.total == 2
    sent = [f"Observation/{observation('clinic', who, who)['id']}" for who in (own, stranger)]
    stocked.publish(deleted=(*sent, f"Patient/{own}"))


@pytest.fixture
def stranger(stocked):
    """A Patient of the hospital for whom the clinic does not care."""
    asked = "SELECT max(fhir_id::text) FROM patient WHERE partner = 'hospital' AND patient > %s"
    (first,) = stocked.conn.execute("SELECT min(patient) FROM patient").fetchone()
    return stocked.conn.execute(asked, [first]).fetchone()[0]


def test_who_sees_records_without_care_is_not_held_to_those_he_cares_for(stocked):
    _, page = _read(stocked, HOSPITAL, "Observation", "status=final&_total=accurate")
    assert page.total == PEOPLE * EACH


def test_what_is_opened_to_him_is_found_from_the_moment_it_is_there(stocked):
    """A class is permitted in the transaction that stores its first record; here one that is about nobody."""
    report = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("https://hospital.example/", "DiagnosticReport", "well"),
        "status": "final",
        "code": {"text": "water of the well"},
        "subject": {"reference": "Location/" + resource_id("https://hospital.example/", "Location", "well")},
    }
    assert stocked.pages(CLINIC, "DiagnosticReport", "status=final")[0].total == 0
    stocked.publish(stocked.item("hospital", report, patient=None))
    assert stocked.pages(CLINIC, "DiagnosticReport", "status=final")[0].total == 1


def test_what_is_opened_is_what_is_permitted_when_all_is_decided_again(stocked):
    conn = stocked.conn
    conn.execute("INSERT INTO opened SELECT max(viewer), 'Basic' FROM viewer")
    redecide_all(conn, stocked.context, AT)
    permitted = conn.execute(
        "SELECT DISTINCT viewer, type FROM disclosure"
        " JOIN disclosure_class c USING (class) JOIN viewer v USING (viewer)"
        " WHERE NOT needs_relationship AND (c.source <> v.participant OR c.profile IS NULL) ORDER BY 1, 2"
    ).fetchall()
    assert conn.execute("SELECT viewer, type FROM opened ORDER BY 1, 2").fetchall() == permitted
    conn.execute("UPDATE disclosure SET needs_relationship = false")
    assert conn.execute("SELECT count(*) FROM opened").fetchone()[0] > len(permitted)
    conn.rollback()

"""A small change, or a question about one person, reads what it is about and not the whole of what is there.

Counted are rows that PostgreSQL really fetched; functions and triggers are within, which no plan would show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from repository_world import AT, HOSPITAL, observation

from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries, read_entry
from exchange.audit.watch import look
from exchange.delivery.answers import look_at_answers
from exchange.delivery.recall import tasks
from exchange.delivery.withholding import related_to
from exchange.model.fhir import references
from exchange.model.ids import golden_id
from exchange.pipeline.forget import forget_withheld
from exchange.pipeline.replay import consents_that_bind
from exchange.repository import publish
from exchange.repository.disclosure.late import Moved, note_late_disclosures
from exchange.repository.disclosure.surroundings import _agents
from exchange.repository.storage.index import UNNAMED, index_rows

PEOPLE, EACH = 12, 20
WHO = Requester("app", "hospital", "Hospital", "organization", "TREAT", "t")
HOW = Circumstances(AT, "https://hie.example", "192.0.2.7", "r")


@pytest.fixture(scope="module")
def stocked(shared_world):
    """People with records of theirs, each of which somebody read two years ago."""
    world = shared_world
    for n in range(PEOPLE):
        patient = world.patient("hospital", str(n), name=[{"family": f"Family{n}"}])
        bodies = [observation("hospital", patient, f"{n}-{k}") for k in range(EACH)]
        world.publish(*(world.item("hospital", body) for body in bodies))
        how = replace(HOW, at=AT - timedelta(days=730))
        about = Disclosed(golden_id(patient))
        append(world.conn, [read_entry(WHO, how, f"Observation/{body['id']}", about) for body in bodies])
    world.conn.execute("ANALYZE")
    world.conn.commit()
    return world


@pytest.fixture
def read(stocked) -> Callable[[str], int]:
    """Rows of a table fetched since the test began; whatever it wrote is taken back."""
    conn = stocked.conn
    conn.execute("SET LOCAL enable_seqscan = off")  # so few rows are quicker read one after the other
    before = dict(conn.execute(_FETCHED).fetchall())
    yield lambda table: dict(conn.execute(_FETCHED).fetchall())[table] - before[table]
    conn.rollback()


_FETCHED = "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"


@pytest.fixture
def patient(stocked):
    """Number and id of one of them."""
    return stocked.conn.execute(
        "SELECT patient, fhir_id::text FROM patient ORDER BY patient LIMIT 1"
    ).fetchone()


def test_what_one_answer_left_out_is_looked_for_among_that_persons_records(stocked, patient, read):
    append(stocked.conn, query_entries(WHO, HOW, f"GET /fhir/Observation?patient={patient[1]}", []))
    stocked.conn.execute("INSERT INTO answer_looked (sequence) SELECT sequence - 1 FROM audit_head")
    assert look_at_answers(stocked.conn, lambda _: stocked.context, AT) == 1
    assert EACH <= read("resource") <= 2 * EACH


def test_whether_some_are_in_care_is_asked_of_these_alone(stocked, patient, read):
    assert related_to(stocked.conn, HOSPITAL, {patient[0], None}, AT) == {patient[0]}
    assert read("relationship") <= 2


def test_what_went_out_of_records_that_moved_is_found_by_their_people(stocked, patient, read):
    rows = stocked.conn.execute(
        "SELECT type, fhir_id, partner, patient, class, class FROM resource WHERE patient = %s", (patient[0],)
    ).fetchall()
    assert len(rows) > EACH
    note_late_disclosures(stocked.conn, [Moved(*row) for row in rows], stocked.context, AT)
    assert EACH <= read("audit_event") <= 2 * EACH


def test_what_went_out_about_nobody_is_looked_through_once_for_many(stocked, read):
    moved = [Moved("Organization", UUID(int=n), "hospital", None, 1, 1) for n in range(20)]
    append(stocked.conn, [read_entry(WHO, HOW, f"Organization/{UUID(int=0)}", Disclosed(None))])
    note_late_disclosures(stocked.conn, moved, stocked.context, AT)
    assert read("audit_event") <= 2


def test_a_day_is_looked_at_without_the_years_before(stocked, patient, read):
    day = AT - timedelta(hours=AT.hour, minutes=AT.minute, seconds=AT.second, microseconds=AT.microsecond)
    append(stocked.conn, query_entries(WHO, HOW, "GET", [Disclosed(golden_id(patient[1]))]))
    look(stocked.conn, day, AT)
    assert 1 <= read("audit_event") < PEOPLE * EACH


def test_what_became_of_a_push_is_found_by_its_place(stocked, read):
    conn = stocked.conn
    _pushes(conn, 200)
    conn.execute("INSERT INTO run (partner, kind, started) VALUES ('hospital', 'pull', %s)", (AT,))
    conn.execute(
        "INSERT INTO source_record (run, partner, feed, key, digest, position, deleted, outcome)"
        " SELECT max(run), 'hospital', 'f', p::text || '/' || e, '', 'push/' || p || ' entry ' || e, false,"
        "  'published' FROM run, generate_series(1, 200) AS p, generate_series(0, 1) AS e GROUP BY p, e"
    )
    conn.execute("ANALYZE source_record")
    before = read("source_record")
    with stocked.as_viewer(HOSPITAL) as view:
        rows = view.conn.execute("SELECT position FROM push_outcomes(12, 'app')").fetchall()
        view.conn.execute("RESET ROLE")
        assert [row[0] for row in rows] == ["push/12 entry 0", "push/12 entry 1"]
        assert read("source_record") - before <= 4


def test_a_push_is_kept_without_looking_at_all_before_it(stocked, read):
    _pushes(stocked.conn, 200)
    before = read("push")
    with stocked.as_viewer(HOSPITAL) as view:
        kept = view.conn.execute("SELECT keep_push('app', 'k', '', 'batch', '{PUT}', '', 9)").fetchone()
        view.conn.execute("RESET ROLE")
        assert kept == (201,)
        assert read("push") - before <= 3


def _pushes(conn, number):
    """So many that are landed and emptied."""
    conn.execute(
        "INSERT INTO push (participant, push, client, idempotency, digest, kind, entries, received)"
        " SELECT 'hospital', n, 'app', n::text, '', 'batch', '{PUT,PUT}', %s"
        " FROM generate_series(1, %s) AS n",
        (AT, number),
    )
    conn.execute("ANALYZE push")


def test_how_a_recall_was_sent_is_found_without_all_that_was_told(stocked, read):
    conn = stocked.conn
    conn.execute(
        "INSERT INTO subscription (participant, name, declared, facts, topics, started)"
        " VALUES ('hospital', 'news', 'console', '{}', '{}', %s)",
        (AT,),
    )
    conn.execute(
        "INSERT INTO delivery_event (subscription, event, topic, at, type, fhir_id, rendition)"
        " SELECT max(subscription), n, CASE n WHEN 1 THEN 'recall' ELSE 'new-result' END, %s, 'Task',"
        "  lpad(n::text, 32, '0')::uuid, 0 FROM subscription, generate_series(1, 300) AS n GROUP BY n",
        (AT,),
    )
    conn.execute(
        "WITH r AS (INSERT INTO recall (kind, cause, opened, opened_by, reason)"
        " VALUES ('late-label', 'Task/1', %s, 'officer', 'label')"
        " RETURNING recall) INSERT INTO recall_task (task, recall, participant)"
        " SELECT lpad('1', 32, '0')::uuid, recall, 'hospital' FROM r",
        (AT,),
    )
    before = read("delivery_event")
    assert [task.sent for task in tasks(conn)] == ["waiting"]
    assert read("delivery_event") - before <= 2


def test_who_is_withheld_now_is_forgotten_and_not_everybody_again(stocked, read):
    conn = stocked.conn
    conn.execute(
        "INSERT INTO withheld (type, fhir_id, partner, class, record, because, at)"
        " SELECT 'Patient', lpad(n::text, 32, '0')::uuid, 'hospital',"
        "  (SELECT min(class) FROM disclosure_class), 0, '{}', %s - interval '1 day' * (n - 1)"
        " FROM generate_series(1, 100) AS n",
        (AT,),
    )
    conn.execute(
        "INSERT INTO record_state (partner, feed, key, digest, record, resources)"
        " SELECT partner, 'f', fhir_id, '', 0, ARRAY['Patient/' || fhir_id] FROM withheld"
    )
    conn.execute(
        "INSERT INTO carried (partner, feed, subject, newest, key, run, fields)"
        " SELECT partner, feed, key, %s, key, 1, '' FROM record_state",
        (AT,),
    )
    for table in ("withheld", "record_state", "carried"):
        conn.execute(f"ANALYZE {table}")
    before = read("record_state")
    assert forget_withheld(conn, AT) == 1
    assert read("record_state") - before <= 4
    assert forget_withheld(conn) == 99


def test_consents_that_bind_by_now_are_found_by_their_ids(stocked, patient, read):
    conn = stocked.conn
    conn.execute("INSERT INTO run (partner, kind, started) VALUES ('hospital', 'pull', %s)", (AT,))
    conn.execute(
        "INSERT INTO directive (consent, patient, partner, body)"
        " SELECT lpad(n::text, 32, '0')::uuid, %s, 'hospital', '{}' FROM generate_series(1, 200) AS n",
        (patient[0],),
    )
    conn.execute(
        "WITH r AS (INSERT INTO source_record (run, chunk, partner, feed, key, digest, position, deleted)"
        "  SELECT max(run), 0, 'hospital', 'f', n::text, '', '', false"
        "  FROM run, generate_series(1, 9) AS n GROUP BY n"
        "  RETURNING record, key), q AS (INSERT INTO quarantine (record, ordinal, severity, code, expression,"
        "   position, detail) SELECT record, 0, 'error', 'not-found', 'subject', '', '' FROM r)"
        " INSERT INTO record_state (partner, feed, key, digest, record, resources)"
        " SELECT 'hospital', 'f', key, '', record,"
        "  ARRAY['Consent/' || lpad(key, 32, '0')::uuid, 'Patient/1'] FROM r"
    )
    conn.execute("ANALYZE directive")
    before = read("directive")
    assert len(consents_that_bind(conn)["hospital"]) == 9
    assert read("directive") - before <= 18


def test_all_that_a_provenance_refers_to_is_unnamed_in_the_index():
    """Else consents that ask who wrote a record would not find it: of whomever it is about."""
    targets = [f"{kind}/{UUID(int=n)}" for n, kind in enumerate(("Patient", "Observation", "Group"), start=1)]
    told = {"resourceType": "Provenance", "target": [{"reference": name} for name in targets]}
    rows = index_rows(told, references(told)).references
    assert rows == {(UUID(int=n), UNNAMED) for n in (1, 2, 3)}


def test_who_wrote_a_record_is_found_by_what_refers_to_it(stocked, patient, read):
    conn = stocked.conn
    ids = [row[0] for row in conn.execute("SELECT fhir_id::text FROM resource WHERE type = 'Observation'")]
    for n, fhir_id in enumerate(ids[:20]):
        body = {
            "resourceType": "Provenance",
            "id": str(UUID(int=n + 1)),
            "target": [{"reference": f"Observation/{fhir_id}"}],
            "agent": [{"who": {"reference": f"Practitioner/{n}"}}],
        }
        publish(conn, [stocked.item("hospital", body)], [], stocked.context, AT)
    conn.execute("UPDATE reference_told SET since = 1")
    before = read("resource")
    assert _agents(conn, [f"Observation/{ids[3]}"], {}) == {f"Observation/{ids[3]}": {"Practitioner/3"}}
    assert read("resource") - before <= 2

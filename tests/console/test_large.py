"""Pages over much data: what a page asks of the database does not grow with what there is."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from exchange.app import find_partner
from exchange.app.privacy.persons import shares_of
from exchange.app.privacy.shares import count_shares, purposes_of, shares_of_all
from exchange.app.records.journey import records_of
from exchange.audit import Circumstances, Disclosed, Requester, append, denied_entry, query_entries
from exchange.audit.days import asked_by_day, count_days, kinds_written, records_kept
from exchange.audit.searching import Wanted, find_events
from exchange.model.audit import ASKED, REFUSED
from exchange.pipeline import quarantine
from exchange.pipeline.balance import balance_of, outcomes_of
from exchange.pipeline.ledger import recent_runs
from exchange.pipeline.steps import run_partner
from exchange.repository import changes_back, emergencies_by, late_disclosures_by
from tests.pipeline.coalition import observation, write_ndjson


@contextmanager
def counted(monkeypatch):
    """Statements of this process while the block runs, with their values.

    Whether other rules were activated is looked at every few seconds, whatever is asked; a connection that is
    lent is looked at by a statement of no words.
    """
    said = []
    execute = psycopg.Cursor.execute

    def counting(self, query, given=None, **named):
        if query and "officer_act" not in str(query):
            said.append((query, given))
        return execute(self, query, given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counting)
        yield said


@pytest.fixture(scope="module", autouse=True)
def waiting(opened):
    """Two observations that cannot be used, for two reasons, and a consent that nobody can compute."""
    folder = opened.settings.home.parent / "elm"
    first, second = ({**observation(n, 2), "id": f"bad{n}"} for n in (1, 2))
    del first["status"]
    del second["code"]
    write_ndjson(folder / "two.ndjson", [first, second])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


@pytest.mark.parametrize(
    ("role", "path"),
    [("data-engineer", "/partners/elm_clinic"), ("data-engineer", "/partners"), ("partner", "/own")],
)
def test_more_runs_ask_for_no_more_statements(served, opened, monkeypatch, role, path):
    visitor = served.visitor(role, "elm_clinic" if role == "partner" else None)
    with counted(monkeypatch) as before:
        assert visitor.get(path).status_code == 200
    with psycopg.connect(opened.database_url) as connection:
        connection.execute(
            "INSERT INTO run (partner, status, started, ended, records)"
            " SELECT 'elm_clinic', 'balanced', now(), now(), '{}' FROM generate_series(1, 30)"
        )
        connection.commit()
    with counted(monkeypatch) as afterwards:
        assert visitor.get(path).status_code == 200
    assert len(before) == len(afterwards) > 0


def test_outcomes_kept_with_a_run_are_those_of_its_records(opened):
    with psycopg.connect(opened.database_url) as connection:
        runs = [run for run in recent_runs(connection, None, 100) if run.pulled]
        kept = outcomes_of(connection, runs)
        connection.execute("UPDATE run SET records = NULL")
        assert outcomes_of(connection, runs) == kept
        assert kept == {run.run: balance_of(connection, run.run).records for run in runs}
        connection.rollback()
    assert any(found["quarantined"] for found in kept.values())


def test_reasons_counted_by_the_run_are_those_of_the_findings(opened):
    with psycopg.connect(opened.database_url) as connection:
        findings = quarantine.open_findings(connection, None, 100)
        reasons = quarantine.waiting_reasons(connection, opened.partners)
        wanted = {(f.partner, f.code, f.expression, f.detail) for f in findings}
        assert {(r.partner, r.code, r.expression, r.detail) for r in reasons} == wanted
        assert len(wanted) > 1
        assert quarantine.waiting_records(connection)["elm_clinic"] == len({f.record for f in findings})
        assert {r.example for r in reasons} <= {f.record for f in findings}


@pytest.mark.parametrize(
    ("index", "ask"),
    [
        ("quarantine_consents", lambda connection: quarantine.consents_waiting(connection, None, 51)),
        ("source_record_run_record", lambda connection: records_of(connection, 1, None, 3, 51)),
        ("run_partner", lambda connection: recent_runs(among_others(connection), "elm_clinic", 50)),
        ("audit_event_recorded", lambda connection: find_events(connection, Wanted(), 51, 3)),
        ("audit_event_kind", lambda connection: find_events(connection, Wanted(kind="query"), 51)),
        ("audit_event_participant", lambda connection: find_events(connection, Wanted(participant="x"), 51)),
        ("audit_event_login", lambda connection: find_events(connection, Wanted(login="x"), 51)),
        ("audit_event_kind", kinds_written),
        ("late_disclosure_open", lambda connection: late_disclosures_by(connection, False, 3, 51)),
        ("late_disclosure_pkey", lambda connection: late_disclosures_by(connection, True, 3, 51)),
        ("emergency_access_open", lambda connection: emergencies_by(connection, False, None, 51)),
        ("link_event_persons", lambda connection: changes_back(connection, None, 51)),
    ],
)
def test_a_long_list_is_read_along_its_index(opened, monkeypatch, index, ask):
    assert index in plan(opened, monkeypatch, ask)


@pytest.fixture(scope="module")
def logged(opened):
    """A log with questions of two participants on two days, some of them refused."""
    at = opened.work.now()
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient").fetchone()
        for number in range(120):
            code = ("elm_clinic", "oak_clinic")[number % 2]
            who = Requester("c", code, code, "organization", ("TREAT", "COC")[number % 3 == 0], "t")
            how = Circumstances(at - timedelta(days=number // 60), "https://x.example", "127.0.0.1", "r")
            seen = [Disclosed(patient, (f"Patient/{patient}",), ("own-records",))]
            asked = query_entries(who, how, "Patient?name=x", seen)
            append(connection, asked if number % 7 else [denied_entry(who, how, "Patient/x", "unknown")])
        connection.commit()


def test_the_log_by_day_is_the_same_counted_ahead_or_not(opened, logged):
    kinds, since = [*ASKED, *REFUSED], opened.work.now().date() - timedelta(days=3)
    with psycopg.connect(opened.database_url) as connection:
        whole = asked_by_day(connection, kinds, since)
        assert sum(one.answers for one in whole) == 120
        oak = asked_by_day(connection, kinds, since, "oak_clinic")
        assert {one.participant for one in oak} == {"oak_clinic"}
        connection.execute("UPDATE audit_head SET sequence = sequence - 50")
        count_days(connection)
        connection.execute("UPDATE audit_head SET sequence = sequence + 50")
        assert connection.execute("SELECT sum(answers) FROM audit_day").fetchone() < (120,)
        assert asked_by_day(connection, kinds, since) == whole
        count_days(connection)
        assert asked_by_day(connection, kinds, since) == whole
        assert count_days(connection) == records_kept(connection)
        assert asked_by_day(connection, kinds, since) == whole
        connection.rollback()


def test_a_search_of_the_log_in_stretches_is_the_whole_search(opened, logged):
    with psycopg.connect(opened.database_url) as connection:
        for wanted in (
            Wanted(),
            Wanted(kind="query"),
            Wanted(participant="oak_clinic", since=opened.work.now() - timedelta(days=1, hours=1)),
            Wanted(kind="query", until=opened.work.now() - timedelta(hours=1)),
        ):
            whole = [e.sequence for e in find_events(connection, wanted, 1_000)]
            found, begin = [], None
            while stretch := find_events(connection, wanted, 7, begin):
                found += [e.sequence for e in stretch]
                begin = stretch[-1].sequence
            assert found == whole
            assert len(whole) > 20
        every = connection.execute("SELECT DISTINCT kind FROM audit_event ORDER BY 1").fetchall()
        assert kinds_written(connection) == [kind for (kind,) in every]
        (kept,) = connection.execute("SELECT count(*) FROM audit_event").fetchone()
        assert records_kept(connection) == kept


def test_who_may_see_how_much_of_all_is_the_sum_over_the_people(opened):
    at, summed = opened.work.now(), Counter()
    with psycopg.connect(opened.database_url) as connection:
        for (person,) in connection.execute("SELECT DISTINCT person::text FROM patient").fetchall():
            for one in shares_of(connection, person, at):
                summed[one.participant, one.role, one.purpose, one.kind, "visible"] += one.visible
                summed[one.participant, one.role, one.purpose, one.kind, "total"] += one.total
        count_shares(connection, at)
        shares = [s for purpose in purposes_of(connection) for s in shares_of_all(connection, purpose, at)]
    found = Counter()
    for one in shares:
        found[one.participant, one.role, one.purpose, one.kind, "visible"] += one.visible
        found[one.participant, one.role, one.purpose, one.kind, "total"] += one.total
    assert found == summed
    assert 0 < sum(one.visible for one in shares) < sum(one.total for one in shares)


def test_counts_of_much_are_taken_by_upkeep_and_of_little_by_whoever_looks(opened, served):
    officer = served.visitor("privacy-officer")
    assert ",000,00" not in officer.get("/privacy/matrix").text
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("UPDATE class_share_counted SET seconds = 5, at = '2026-01-02T12:00:00Z'")
        connection.execute("UPDATE class_share SET records = records + 1000000")
        connection.commit()
    assert ",000,00" in officer.get("/privacy/matrix").text
    assert "Jan 2, 2026" in officer.get("/privacy/matrix").text
    assert ",000,00" not in officer.post("/privacy/matrix").text
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("UPDATE class_share SET records = records + 1000000")
        connection.execute("UPDATE class_share_counted SET seconds = 0")
        connection.commit()
    assert ",000,00" not in officer.get("/privacy/matrix").text


def plan(opened, monkeypatch, ask):
    """How the last statement is answered where rows are many: without reading or sorting the whole."""
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        with counted(monkeypatch) as said:
            ask(connection)
        query, given = said[-1]
        lines = [row[0] for row in connection.execute(f"EXPLAIN {query}", given)]
        connection.rollback()
        return "\n".join(lines)


def among_others(connection):
    """With many runs of somebody else: of one partner alone the order of all runs is as good an index."""
    connection.execute(
        "INSERT INTO run (partner, status, started, ended, records)"
        " SELECT 'another', 'balanced', now(), now(), '{}' FROM generate_series(1, 2000)"
    )
    connection.execute("ANALYZE run")
    return connection

"""Pages over much data: what a page asks of the database does not grow with what there is."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest

from exchange.app import find_partner
from exchange.pipeline import quarantine
from exchange.pipeline.balance import balance_of, outcomes_of
from exchange.pipeline.ledger import recent_runs
from exchange.pipeline.steps import run_partner
from tests.pipeline.coalition import observation, write_ndjson


@contextmanager
def counted(monkeypatch):
    """Statements of this process while the block runs, with their values."""
    said = []
    execute = psycopg.Cursor.execute

    def counting(self, query, given=None, **named):
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
        ("run_partner", lambda connection: recent_runs(connection, "elm_clinic", 50)),
    ],
)
def test_a_long_list_is_read_along_its_index(opened, monkeypatch, index, ask):
    assert index in plan(opened, monkeypatch, ask)


def plan(opened, monkeypatch, ask):
    """How the last statement is answered where rows are many: without reading or sorting the whole."""
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        with counted(monkeypatch) as said:
            ask(connection)
        query, given = said[-1]
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}", given))

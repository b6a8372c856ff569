"""Each law broken on purpose on data of a small exchange: the check must say so, and say what is wrong."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from exchange.api import Service
from exchange.app import Exchange, balance, find_partner
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.cli.demo import laws
from exchange.cli.service import api_service
from exchange.model.records import Viewer
from exchange.pipeline import steps
from exchange.pipeline.balance import RunOutOfBalance
from exchange.repository import ensure_database, reader, scheduler_database, search
from tests.conftest import copied_database
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry, write

OAK = """\
namespace: https://oak-clinic.example/
organization: {name: Oak Clinic, type: clinic, npi: "1999999919", covered_entity: true}
agreement: {type: BAA, signed: 2020-01-01}
requests: {purposes: [TREAT]}
"""
SENT = [patient(n) for n in range(1, 5)] + [observation(n, of=n) for n in range(1, 5)]
Sql = Callable[[str], None]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Exchange:
    """A clinic's four people and their results, published; a second clinic that knows none of them."""
    folder = tmp_path_factory.mktemp("laws")
    make_pantry(folder)
    (folder / "home/mappings/oak_clinic").mkdir()
    write(folder, "home/mappings/oak_clinic/partner.yaml", OAK)
    write_ndjson(folder / "records/1.ndjson", SENT)
    exchange = open_pantry(folder, module_database)
    steps.run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    return exchange


@pytest.fixture
def exchange(published: Exchange, database_server: str, tmp_path: Path) -> Iterator[Exchange]:
    """The same on a database of its own, to be broken."""
    template = published.database_url.partition("@/")[2].partition("?")[0]
    with copied_database(database_server, template) as url:

        @contextmanager
        def connect() -> Iterator[psycopg.Connection]:
            with psycopg.connect(url) as connection:
                yield connection

        settings = replace(published.settings, data=tmp_path)
        work = replace(published.work, connect=connect)
        yield replace(published, settings=settings, database_url=url, work=work)


@pytest.fixture
def service(exchange: Exchange) -> Iterator[Service]:
    with api_service(exchange) as opened:
        yield opened


@pytest.fixture
def as_intruder(exchange: Exchange) -> Sql:
    """Changes the database behind the back of its own triggers and constraints."""

    def change(statement: str) -> None:
        with psycopg.connect(exchange.database_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(statement).rowcount != 0

    return change


@pytest.fixture
def truth(exchange: Exchange, tmp_path: Path) -> Path:
    """Ground truth as the synthetic coalition writes it: the source sees its record, a stranger does not."""
    (tmp_path / "truth").mkdir()
    head = ("requester", "purpose", "type", "fhir_id", "expected", "category", "until")
    with exchange.work.connect() as connection:
        ids = connection.execute("SELECT fhir_id::text FROM resource WHERE type = 'Observation'").fetchall()
    with (tmp_path / "truth/access.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(head)
        for (fhir_id,) in ids:
            for clinic, expected in (("elm_clinic", "yes"), ("oak_clinic", "no")):
                row = (clinic, "TREAT", "Observation", fhir_id, expected, "own", "")
                csv.writer(file).writerow(row)
    return tmp_path


def test_1_a_run_with_a_record_too_many_is_out_of_balance_by_name(exchange, as_intruder):
    assert laws._balance([balance(exchange, 1)]).holds
    as_intruder("UPDATE run SET pulled = pulled + 1")
    verdict = laws._balance([balance(exchange, 1)])
    assert (verdict.holds, verdict.looked_at) == (False, "elm_clinic")


def test_1_a_step_that_forgets_a_record_fails_the_run(exchange, monkeypatch, tmp_path):
    clinic = find_partner(exchange.partners, "elm_clinic")
    folder = Path(clinic.connector.options["path"])
    write_ndjson(folder / f"{tmp_path.name}.ndjson", [observation(8, of=1), observation(9, of=1)])
    whole = steps.map_chunk
    monkeypatch.setattr(steps, "map_chunk", lambda *given: whole(*given)[:-1])
    with pytest.raises(RunOutOfBalance, match="`elm_clinic` pulled 3 records and accounts for 2"):
        steps.run_partner(exchange.work, clinic)
    assert not laws._balance([balance(exchange, 2)]).holds


def test_2_a_disclosure_that_nobody_decided_is_told(exchange, service, truth, as_intruder):
    assert laws._one_decision(exchange, service, truth).holds
    as_intruder(
        "INSERT INTO disclosure (viewer, class, valid_from, valid_until, needs_relationship, obligations,"
        "  because)"
        " SELECT DISTINCT v.viewer, r.class, now() - interval '1 year', now() + interval '1 year', false,"
        "  '{}'::text[], '{}'::text[] FROM viewer v, resource r"
        " WHERE v.participant = 'oak_clinic' AND r.type = 'Observation'"
    )
    verdict = laws._one_decision(exchange, service, truth)
    assert not verdict.holds
    assert verdict.looked_at.startswith("4 seen that must not be, 0 not seen that must be")


def test_2_a_decision_that_was_lost_is_told(exchange, service, truth, as_intruder):
    as_intruder("DELETE FROM disclosure USING viewer WHERE disclosure.viewer = viewer.viewer"
                " AND participant = 'elm_clinic'")  # fmt: skip
    verdict = laws._one_decision(exchange, service, truth)
    assert not verdict.holds
    assert verdict.looked_at.startswith("0 seen that must not be, 4 not seen that must be")


def test_3_a_total_that_counts_what_is_hidden_is_told(exchange, service, monkeypatch):
    assert laws._hidden_changes_nothing(exchange, service).holds

    def count_all(reader, query, statement):
        reader.conn.execute("RESET ROLE")
        return reader.conn.execute("SELECT count(*) FROM resource").fetchone()[0]

    monkeypatch.setattr(sys.modules["exchange.repository.reading.search"], "total_of", count_all)
    monkeypatch.setattr(laws, "_REQUESTS", 300)  # one of them asks for a total, whatever is drawn
    verdict = laws._hidden_changes_nothing(exchange, service)
    assert not verdict.holds
    assert "answered differently" in verdict.looked_at


@pytest.mark.parametrize("table", ["resource", "index_token"])
def test_3_a_table_without_row_level_security_cannot_pass(table, exchange, service, as_intruder):
    as_intruder(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    assert laws._tables_left_open(exchange) == [table]
    assert laws._hidden_changes_nothing(exchange, service).looked_at.startswith(f"{table} has no")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM resource WHERE type = 'Observation'",
        "UPDATE resource SET partner = 'oak_clinic' WHERE type = 'Observation'",
    ],
    ids=["deleted", "overwritten"],
)
def test_4_a_contribution_that_is_gone_or_somebody_elses_is_counted(change, exchange, as_intruder):
    assert laws._contributions_kept(exchange).holds
    as_intruder(change)
    verdict = laws._contributions_kept(exchange)
    assert not verdict.holds
    assert verdict.looked_at.startswith("4 are gone")


@pytest.fixture
def disclosed(exchange: Exchange) -> Exchange:
    """Three disclosures in the audit log."""
    who = Requester("oak-ehr", "oak_clinic", "Oak Clinic", "organization", "TREAT", "t1")
    how = Circumstances(datetime(2026, 6, 1, tzinfo=UTC), "https://hie.example", "192.0.2.7", "req-1")
    with exchange.work.connect() as connection:
        for _ in range(3):
            append(connection, query_entries(who, how, "GET /fhir/Patient", [Disclosed(None)]))
    return exchange


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE audit_event SET participant = 'elm_clinic' WHERE sequence = 2",
            "record 2 changed: its content does not fit its hash",
        ),
        ("DELETE FROM audit_event WHERE sequence = 2", "record 2 removed: the numbers are missing"),
        (
            "DELETE FROM audit_event WHERE sequence = 3",
            "record 3 removed: a seal was made when they were there",
        ),
    ],
    ids=["changed", "removed", "last-removed"],
)
def test_5_a_record_of_a_disclosure_that_was_tampered_with_is_told(change, told, disclosed, as_intruder):
    assert laws._disclosures_recorded(disclosed).holds
    as_intruder(change)
    verdict = laws._disclosures_recorded(disclosed)
    assert not verdict.holds
    assert verdict.looked_at == told


def test_5_a_log_without_any_record_is_no_proof(exchange):
    assert not laws._disclosures_recorded(exchange).holds


@pytest.mark.parametrize(
    "change",
    ["mapping_digest = ''", "rules_digest = 'r1'", "mapping_digest = repeat('0', 64)"],
    ids=["no map", "no rules", "another map"],
)
def test_6_a_resource_that_does_not_name_what_made_it_is_told(change, exchange, as_intruder):
    assert laws._content_is_data(exchange).holds
    as_intruder(f"UPDATE resource SET {change} WHERE type = 'Observation'")
    verdict = laws._content_is_data(exchange)
    assert not verdict.holds
    assert verdict.looked_at.startswith("resources of elm_clinic name none")


def test_6_one_who_only_asks_sends_nothing_and_is_held_to_it_as_well(exchange):
    steps.run_partner(exchange.work, find_partner(exchange.partners, "oak_clinic"))
    assert laws._content_is_data(exchange).holds


def test_7_a_name_in_a_log_or_in_the_schedulers_database_is_told_without_it(exchange):
    url = ensure_database(exchange.database_url, scheduler_database(exchange.database_url))
    (exchange.settings.data / "logs").mkdir()
    log = exchange.settings.data / "logs/map.log"
    name = SENT[0]["name"][0]
    log.write_text("chunk 1 done\n")
    assert laws._nothing_outside(exchange).holds
    log.write_text(f"no code for {name['given'][0]} {name['family']}\n")
    verdict = laws._nothing_outside(exchange)
    assert (verdict.holds, verdict.looked_at) == (False, f"found in {log}")
    log.write_text("chunk 1 done\n")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE xcom (value text)")
        connection.execute("INSERT INTO xcom VALUES (%s)", ["not mapped: M00001"])
        told = laws._nothing_outside(exchange)
    assert (told.holds, told.looked_at) == (False, "found in xcom")


def test_the_stranger_of_these_tests_really_sees_nothing(exchange, service):
    with reader(service.pool, Viewer("oak_clinic", "organization", "TREAT")) as view:
        assert search(view, "Observation", [], "https://x.example", b"k").entries == ()

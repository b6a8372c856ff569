"""How a run is cut into chunks, and that what it pulled already is found without reading all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.app import Exchange, balance, find_partner
from exchange.crypto import SealBroken
from exchange.model.records import Document, SourceRecord
from exchange.pipeline import carry, ledger, pull
from exchange.pipeline.claims import read_claims, write_claims
from exchange.pipeline.ledger import Arrival, last_digests
from exchange.pipeline.replay import Again, open_replay
from exchange.pipeline.snapshots import write_snapshots
from exchange.pipeline.steps import finish_run, pull_step, run_partner, waiting_chunks
from exchange.pipeline.work import Work
from tests.pipeline.coalition import observation, open_clinic, patient, write_ndjson


@pytest.fixture
def exchange(tmp_path: Path, database: str) -> Exchange:
    return open_clinic(tmp_path, database)


def send(exchange: Exchange, name: str, resources: list[dict[str, object]]) -> None:
    write_ndjson(exchange.settings.home / "records" / name, resources)


def cut(exchange: Exchange, run: int) -> list[tuple[int, int]]:
    """Records and bytes of each chunk, of which both must be what the ledger counted."""
    with exchange.work.connect() as connection:
        told = connection.execute(
            "SELECT records, bytes FROM chunk WHERE run = %s ORDER BY chunk", [run]
        ).fetchall()
        counted = connection.execute(
            "SELECT count(*), sum(split_part(address, ':', 3)::int) FROM source_record WHERE run = %s"
            " GROUP BY chunk ORDER BY chunk",
            [run],
        ).fetchall()
    assert [records for records, _ in told] == [records for records, _ in counted]
    # A seal adds 28 bytes to each, which a replay counts.
    assert [
        (size, sealed)
        for (records, size), (_, sealed) in zip(told, counted, strict=True)
        if not sealed - 28 * records <= size <= sealed
    ] == []
    return told


def test_a_chunk_is_full_of_bytes_before_it_is_full_of_records(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "CHUNK_BYTES", 2000)
    monkeypatch.setattr(pull, "_COMMIT_RECORDS", 3)  # a chunk goes on over several commits
    note = [{"text": "x" * 5000}]
    send(exchange, "1.ndjson", [patient(n) for n in range(12)])
    send(exchange, "2.ndjson", [{**observation(1, of=1), "note": note}, *(patient(n) for n in range(12, 20))])
    partner = find_partner(exchange.partners, "elm_clinic")
    run = pull_step(exchange.work, partner)
    chunks = cut(exchange, run)
    assert sum(records for records, _ in chunks) == 22
    assert max(records for records, _ in chunks) > 3
    assert [(records, size) for records, size in chunks if size > 2000 and records > 1] == []
    assert [records for records, size in chunks if size > 5000] == [1]  # what is larger has its own
    assert balance(exchange, finish_run(exchange.work, partner, run).run).records["published"] == 22


LINE = orjson.dumps({**observation(1, of=1), "note": [{"text": "x" * 4000}]})


def lines(number: int) -> list[bytes]:
    return [LINE.replace(b'"o1"', b'"o%d"' % n) for n in range(number)]


def sending(exchange: Exchange, payloads: Sequence[bytes]) -> Work:
    """Documents that no checkpoint stands between."""
    documents = [Document("records", f"{n}.ndjson", payload) for n, payload in enumerate(payloads)]
    return replace(exchange.work, connector=lambda partner: lambda cursor: iter(documents))


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each commit of a pull enters."""
    monkeypatch.setattr(pull, "_COMMIT_BYTES", 10_000)
    commit, seen = pull._commit, list[int]()

    def noted(*given: Any) -> None:
        commit(*given)
        seen.append(len(given[4]))

    monkeypatch.setattr(pull, "_commit", noted)
    return seen


def test_documents_are_committed_before_they_fill_the_memory(exchange: Exchange, commits: list[int]) -> None:
    pull_step(sending(exchange, lines(7)), find_partner(exchange.partners, "elm_clinic"))
    assert commits == [1, 3, 3, 1]  # the participant itself first


def test_a_large_document_is_committed_in_parts(exchange: Exchange, commits: list[int]) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    pull_step(sending(exchange, [b"\n".join(lines(7))]), partner)
    assert commits == [1, 3, 3, 1]


def test_a_document_of_which_something_is_rejected_stays_whole(
    exchange: Exchange, commits: list[int]
) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    work = sending(exchange, [b"\n".join([*lines(7), b"no JSON"])])
    run = finish_run(work, partner, pull_step(work, partner)).run
    assert commits == [1, 8]
    assert balance(exchange, run).records["quarantined"] >= 1
    with exchange.work.connect() as connection:
        assert connection.execute("SELECT count(*) FROM document").fetchone() == (1,)


def test_a_pull_killed_within_a_document_goes_on_and_enters_nothing_twice(
    exchange: Exchange, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    work = sending(exchange, [b"\n".join([orjson.dumps(patient(1)), *lines(7)])])
    commit = pull._commit

    def dies(*given: Any) -> None:
        if len(commits) == 2:
            raise KeyboardInterrupt
        commit(*given)

    with monkeypatch.context() as killed:
        killed.setattr(pull, "_commit", dies)
        with pytest.raises(KeyboardInterrupt):
            pull_step(work, partner)
    assert sum(commits) < 9
    run = finish_run(work, partner, pull_step(work, partner)).run
    told = balance(exchange, run).records
    assert (told["published"], told["duplicate"]) == (9, sum(commits[:2]) - 1)


def test_what_is_taken_again_is_cut_alike(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    send(exchange, "1.ndjson", [patient(n) for n in range(60)])
    partner = find_partner(exchange.partners, "elm_clinic")
    run_partner(exchange.work, partner)
    with exchange.work.connect() as connection:
        records = [row[0] for row in connection.execute("SELECT record FROM source_record ORDER BY record")]
    run = open_replay(exchange.work, partner, Again(records, []))
    assert [records for records, _ in cut(exchange, run)] == [40, 21]
    finish_run(exchange.work, partner, run)
    monkeypatch.setattr(ledger, "CHUNK_BYTES", 2000)
    run = open_replay(exchange.work, partner, Again(records, []))
    chunks = cut(exchange, run)
    assert len(waiting_chunks(exchange.work, run, "published")) == len(chunks) > 5
    assert max(size for _, size in chunks) < 2000 + 500
    assert balance(exchange, finish_run(exchange.work, partner, run).run).records["unchanged"] == 61


def test_what_a_run_pulled_already_is_found_without_reading_the_rest_of_it(exchange: Exchange) -> None:
    """The statistics are of a time when there was another run: this one must not be taken for empty."""
    send(exchange, "1.ndjson", [patient(n) for n in range(3)])
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    copied = (
        "INSERT INTO source_record (run, chunk, partner, feed, key, digest, position, deleted)"
        " SELECT %s, 0, 'elm_clinic', 'records', 'k' || n, sha256(n::text::bytea), '', false"
        " FROM generate_series(%s::int, 4000) AS n"
    )
    with exchange.work.connect() as connection:
        for _ in range(30):
            connection.execute(copied, [1, 3900])
        connection.commit()
        connection.execute("ANALYZE source_record")
        run = ledger.open_run(connection, "elm_clinic", "pull", exchange.work.now()).run
        (plan,) = connection.execute(
            "EXPLAIN (FORMAT JSON) SELECT FROM source_record WHERE run = %s", [run]
        ).fetchone() or ([],)
        assert plan[0]["Plan"]["Plan Rows"] > 10
        connection.execute(copied, [run, 1])
        connection.commit()
        arrivals = [
            Arrival(SourceRecord("elm_clinic", "records", f"k{n}", "fhir_json", b"{}", ""), b"")
            for n in range(3990, 4010)
        ]
        _, running = last_digests(connection, run, "elm_clinic", arrivals)
        (read,) = connection.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'source_record'"
        ).fetchone() or (None,)
    assert {key for _, key in running} == {f"k{n}" for n in range(3990, 4001)}
    assert read < 200


READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s"


def read_of(connection: ledger.Connection, table: str) -> int:
    """Rows of the table that the transaction has read by now."""
    (read,) = connection.execute(READ, [table]).fetchone() or (0,)
    return int(read)


@pytest.mark.parametrize("known", [True, False])
def test_keys_of_a_partner_that_statistics_do_not_know_are_looked_up_by_their_index(
    exchange: Exchange, known: bool
) -> None:
    """Of a partner's first run the planner expects no record, and would read all of it for each key."""
    partner = find_partner(exchange.partners, "elm_clinic")
    other = partner.model_copy(update={"code": "elm_clinic" if known else "oak_clinic"})
    copied = {
        "source_record": (
            "INSERT INTO source_record (run, chunk, partner, feed, key, digest, address, position, deleted)"
            " SELECT 1, 0, %(partner)s, 'records', 'k' || n, sha256(n::text::bytea), 'a', '', false"
        ),
        "record_state": (
            "INSERT INTO record_state (partner, feed, key, digest, record, resources)"
            " SELECT %(partner)s, 'records', 'k' || n, '', 1, ARRAY['Flag/' || n]"
        ),
        "carried": (
            "INSERT INTO carried (partner, feed, subject, newest, key, run, fields)"
            " SELECT %(partner)s, 'records', 'k' || n, now(), 'k' || n, 1, ''"
        ),
    }
    keys = [("records", f"k{n}") for n in range(10)]
    arrivals = [Arrival(SourceRecord(other.code, *key, "fhir_json", b"{}", ""), b"") for key in keys]
    rows = [
        {"feed": feed, "key": key, "deleted": True, "issues": [], "deletes": [], "ids": []}
        for feed, key in keys
    ]
    with exchange.work.connect() as connection:
        ledger.open_run(connection, "elm_clinic", "pull", exchange.work.now())
        for statement in copied.values():
            connection.execute(f"{statement} FROM generate_series(1, 4000) AS n", {"partner": "elm_clinic"})
        connection.commit()
        connection.execute("ANALYZE source_record, record_state, carried")
        for statement in copied.values() if not known else ():
            connection.execute(f"{statement} FROM generate_series(1, 2000) AS n", {"partner": "oak_clinic"})
        connection.commit()
        last_digests(connection, 1, other.code, arrivals)
        claims = read_claims(connection, other.code, rows)
        write_claims(connection, other.code, rows, claims)
        write_snapshots(connection, other.code, {}, [])
        with contextlib.suppress(SealBroken):
            carry.read_states(connection, other.code, keys, exchange.work.batches.keyring)
        carry.latest_arrivals(exchange.work, connection, other, keys)
        read = {table: read_of(connection, table) for table in copied}
        connection.rollback()
    assert len(claims.known) == 9
    assert {table: rows for table, rows in read.items() if not 9 <= rows <= 200} == {}

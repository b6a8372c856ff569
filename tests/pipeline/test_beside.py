"""Chunks that have nothing to do with each other are published at the same time: the end is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from fsspec.implementations.local import LocalFileSystem

from exchange.app import Exchange, find_partner, open_exchange
from exchange.model.errors import Taken
from exchange.pipeline import ahead, ledger, steps
from exchange.pipeline.footprints import ALONE, footprint_of
from exchange.pipeline.steps import finish_run, publish_run, pull_step, waiting_chunks
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home, observation, patient, write_ndjson
from tests.pipeline.test_killed import AT_WORK, STATE, kill_when

PEOPLE, CHUNK = 40, 20


def condition(number: int, of: int, code: str, **elements: object) -> dict[str, object]:
    """B20 is a code of HIV disease."""
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
        "subject": {"reference": f"Patient/p{of}"},
        **elements,
    }


def opened(folder: Path, database: str, processes: int) -> Exchange:
    home = make_home(folder, folder / "records")
    yaml = folder / "mappings" / "elm_clinic" / "partner.yaml"
    yaml.write_text(yaml.read_text().replace("chunk_records: 40", f"chunk_records: {CHUNK}"))
    environment = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(folder / "data"),
        "EXCHANGE_DATABASE_URL": database,
        "EXCHANGE_PROCESSES": str(processes),
    }
    return open_exchange(load_settings(environment))


def first_day(folder: Path) -> None:
    people = [patient(n) for n in range(PEOPLE)]
    results = [observation(n, of=n // 4) for n in range(PEOPLE * 4)]
    problems = [condition(n, n, "B20" if n % 3 else "I10") for n in range(PEOPLE)]
    # What refers to a problem of somebody else, and results that are told again, differently, chunks later.
    about = [
        {**observation(1000 + n, of=n), "focus": [{"reference": f"Condition/c{(n + 7) % PEOPLE}"}]}
        for n in range(PEOPLE)
    ]
    again = [observation(n, of=n // 4, value=7.5) for n in range(0, PEOPLE * 4, 5)]
    write_ndjson(folder / "records" / "1.ndjson", [*people, *results, *about, *problems, *again])


def second_day(folder: Path) -> None:
    write_ndjson(
        folder / "records" / "2.ndjson",
        [
            *(condition(n, n, "B20") for n in range(PEOPLE)),
            *(observation(n, of=n // 4, value=8.5) for n in range(PEOPLE * 4)),
        ],
    )


def state(database: str) -> dict[str, list[tuple[object, ...]]]:
    chunks = "SELECT chunk, step, records FROM chunk ORDER BY run, chunk"
    labels = (
        "SELECT r.type, r.fhir_id::text, r.rendition, c.confidentiality, c.labels FROM resource r"
        " JOIN disclosure_class c USING (class) ORDER BY 1, 2, 3"
    )
    with psycopg.connect(database) as connection:
        return {
            name: connection.execute(query).fetchall()
            for name, query in {**STATE, "labels": labels, "chunks": chunks}.items()
        }


@pytest.fixture
def exchange(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Exchange:
    monkeypatch.setattr(ahead, "WORTH_IT", 0)
    first_day(tmp_path)
    return opened(tmp_path, database, 2)


def both_days(exchange: Exchange, folder: Path) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    finish_run(exchange.work, partner, pull_step(exchange.work, partner))
    second_day(folder)
    finish_run(exchange.work, partner, pull_step(exchange.work, partner))


@pytest.fixture(scope="module")
def one_by_one(
    module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    """What both days leave where one process takes one chunk after the other."""
    folder = tmp_path_factory.mktemp("one")
    first_day(folder)
    both_days(opened(folder, module_database, 1), folder)
    return state(module_database)


def test_the_end_is_that_of_one_after_the_other(
    exchange: Exchange,
    database: str,
    tmp_path: Path,
    one_by_one: dict[str, list[tuple[object, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once: list[int] = []
    taken = ahead._taken

    def noted(waiting: Any, running: Any) -> Any:
        chunk = taken(waiting, running)
        if chunk is not None:
            at_once.append(len(list(running)) + 1)
        return chunk

    monkeypatch.setattr(ahead, "_taken", noted)
    both_days(exchange, tmp_path)
    assert max(at_once) > 1
    assert state(database) == one_by_one


_RUN = """
from exchange.cli import main
from exchange.pipeline import ahead

if __name__ == "__main__":
    ahead.WORTH_IT = 0
    main()
"""


def test_a_run_killed_while_two_publish_ends_like_one_that_was_not(
    exchange: Exchange, database: str, tmp_path: Path, one_by_one: dict[str, list[tuple[object, ...]]]
) -> None:
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(tmp_path),
        "EXCHANGE_DATA": str(tmp_path / "data"),
        "EXCHANGE_DATABASE_URL": database,
        "EXCHANGE_PROCESSES": "2",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, "run", "elm_clinic"], env=environment, stdout=subprocess.DEVNULL
    )
    assert kill_when(process, database, "published")
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(AT_WORK).fetchone() is not None:  # the other ends by itself
            time.sleep(0.01)
        assert connection.execute("SELECT status FROM run").fetchone() == ("open",)
    both_days(exchange, tmp_path)
    assert state(database) == one_by_one
    assert not [path for path in (tmp_path / "data" / "batches").rglob("*") if path.is_file()]


def test_a_scheduler_s_publish_takes_the_same_way(exchange: Exchange) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run = pull_step(work, partner)
    for chunk in waiting_chunks(work, run, "safeguarded"):
        steps.prepare_step(work, partner, run, chunk)
    for chunk in waiting_chunks(work, run, "linked"):
        steps.link_step(work, partner, run, chunk)
    assert publish_run(work, partner, run).status == "balanced"
    assert waiting_chunks(work, run, "published") == []


def ready(exchange: Exchange, folder: Path) -> tuple[int, list[int]]:
    """The second day's run, ready to be published."""
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    finish_run(work, partner, pull_step(work, partner))
    second_day(folder)
    run = pull_step(work, partner)
    for chunk in waiting_chunks(work, run, "safeguarded"):
        steps.prepare_step(work, partner, run, chunk)
    for chunk in waiting_chunks(work, run, "linked"):
        steps.link_step(work, partner, run, chunk)
    return run, waiting_chunks(work, run, "published")


def test_what_gives_labels_to_records_that_are_there_must_be_alone(
    exchange: Exchange, database: str, tmp_path: Path
) -> None:
    """A third that refers to one of those may just be written by somebody else."""
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    before = state(database)
    assert not steps.publish_beside_step(work, partner, run, chunks[0])
    assert state(database) == before
    assert steps.publish_beside_step(work, partner, run, chunks[-1])  # results, which nothing refers to
    assert waiting_chunks(work, run, "published") == chunks[:-1]
    assert finish_run(work, partner, run).status == "balanced"


def test_what_deletes_must_be_alone(exchange: Exchange, database: str, tmp_path: Path) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    rows = work.batches.read(run, chunks[-1], "safeguarded")
    with work.connect() as connection:
        connection.execute(
            "UPDATE record_state SET resources = resources || %s::text WHERE key = %s",
            ["Flag/00000000-0000-0000-0000-000000000001", rows[0]["key"]],
        )
        connection.commit()
    before = state(database)
    assert not steps.publish_beside_step(work, partner, run, chunks[-1])
    assert state(database) == before
    assert work.batches.read(run, chunks[-1], "safeguarded") == rows


@pytest.mark.parametrize("why", [psycopg.errors.DeadlockDetected, Taken])
def test_what_fails_for_the_sake_of_others_is_taken_again_alone(
    exchange: Exchange, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: type[Exception]
) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    publish, before = steps.publish_chunk, state(database)

    def failing(*arguments: Any) -> int:
        publish(*arguments)
        raise why("for the sake of others")

    with monkeypatch.context() as patched:
        patched.setattr(steps, "publish_chunk", failing)
        assert not steps.publish_beside_step(work, partner, run, chunks[-1])
    assert state(database) == before
    assert steps.publish_beside_step(work, partner, run, chunks[-1])


@pytest.mark.parametrize("deadlocks", [1, 2, 3])
def test_a_deadlock_with_another_partner_s_run_is_no_end_of_this_one(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadlocks: int
) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    publish, left = steps.publish_chunk, [None] * deadlocks

    def failing(*arguments: Any) -> int:
        found = publish(*arguments)
        if left:
            left.pop()
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        return found

    monkeypatch.setattr(steps, "publish_chunk", failing)
    if deadlocks == 3:
        with pytest.raises(psycopg.errors.DeadlockDetected):
            steps.publish_step(work, partner, run, chunks[0])
    steps.publish_step(work, partner, run, chunks[0])
    assert finish_run(work, partner, run).status == "balanced"


def test_a_chunk_that_somebody_is_just_committing_is_not_published_again(
    exchange: Exchange, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process's locks are gone before what it told the server last is done."""
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    publish, at_it, going_on = steps.publish_chunk, Event(), Event()

    def slow(*arguments: Any) -> int:
        found = publish(*arguments)
        at_it.set()
        assert going_on.wait(60)
        return found

    with ThreadPoolExecutor(2) as pool:
        with monkeypatch.context() as patched:
            patched.setattr(steps, "publish_chunk", slow)
            first = pool.submit(steps.publish_beside_step, work, partner, run, chunks[-1])
            assert at_it.wait(60)
        second = pool.submit(steps.publish_beside_step, work, partner, run, chunks[-1])
        with psycopg.connect(database, autocommit=True) as connection:
            while not second.done() and connection.execute(WAITING).fetchone() is None:
                time.sleep(0.01)
        going_on.set()
        assert (first.result(), second.result()) == (True, True)
    with psycopg.connect(database) as connection:
        counted = (
            "SELECT (SELECT sum(resources) FROM resource_balance b WHERE (b.run, b.chunk) = (c.run, c.chunk))"
            " = records FROM chunk c WHERE (run, chunk) = (%s, %s)"
        )
        assert connection.execute(counted, [run, chunks[-1]]).fetchone() == (True,)


WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_nobody_else_writes_the_partner_s_records_meanwhile(exchange: Exchange, tmp_path: Path) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run, chunks = ready(exchange, tmp_path)
    with work.connect() as guard, ledger.shared_partner_lock(guard, partner.code):
        assert steps.publish_beside_step(work, partner, run, chunks[-1])
        with pytest.raises(Taken):
            steps.publish_step(work, partner, run, chunks[0])
    with work.connect() as guard, ledger.partner_lock(guard, partner.code):
        assert not steps.publish_beside_step(work, partner, run, chunks[0])
    steps.publish_step(work, partner, run, chunks[0])  # each lock was given back


def test_a_chunk_that_an_earlier_version_prepared_is_published_alone(exchange: Exchange) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run = pull_step(work, partner)
    chunk = waiting_chunks(work, run, "safeguarded")[2]
    assert steps._footprint(work, run, chunk) == ALONE
    steps.prepare_step(work, partner, run, chunk)
    found = steps._footprint(work, run, chunk)
    assert not found.alone
    assert (len(found.states), len(found.patients)) == (2 * CHUNK, CHUNK // 4 + 1)
    assert found == footprint_of(work.batches.read(run, chunk, "safeguarded"))


def test_what_a_chunk_takes_back_counts_as_what_it_says(exchange: Exchange, tmp_path: Path) -> None:
    """A past version has the labels that came while it was present; what a record has no more is deleted."""
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    finish_run(work, partner, pull_step(work, partner))
    write_ndjson(tmp_path / "records" / "2.ndjson", [observation(1000 + n, of=n) for n in range(PEOPLE)])
    run = pull_step(work, partner)
    chunk = waiting_chunks(work, run, "safeguarded")[0]
    with work.connect() as connection:
        key = connection.execute(
            "UPDATE record_state SET resources = resources || 'Flag/gone'::text"
            " WHERE (feed, key) = (SELECT feed, key FROM source_record WHERE (run, chunk) = (%s, %s) LIMIT 1)"
            " RETURNING key",
            [run, chunk],
        ).fetchone()
        connection.commit()
    assert key is not None
    steps.prepare_step(work, partner, run, chunk)
    found = steps._footprint(work, run, chunk)
    assert "Flag/gone" in found.states
    assert sum(name.startswith("Condition/") for name in found.refers) == CHUNK


def test_batches_that_somebody_else_forgets_at_the_same_moment_are_gone(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may find a chunk published, each of which clears it away."""
    batches = exchange.work.batches
    for kind in ("people", "safeguarded"):
        batches.write(1, 0, kind, [])
    remove, seen = LocalFileSystem.rm, list[str]()

    def beaten(
        self: LocalFileSystem, path: str, recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        seen.append(path)
        if len(seen) == 1:
            next(Path(path).iterdir()).unlink()
            raise FileNotFoundError(path)
        remove(self, path, recursive, maxdepth)

    monkeypatch.setattr(LocalFileSystem, "rm", beaten)
    batches.drop(1, 0)
    assert len(seen) == 2
    assert not [path for path in Path(batches.root).rglob("*") if path.is_file()]

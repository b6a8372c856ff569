"""A process killed at any step loses nothing and repeats nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from exchange.app import Exchange, balance, find_partner, open_exchange
from exchange.pipeline import ledger
from exchange.pipeline.batches import Batches
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home, observation, patient, write_ndjson

STEPS = ("pulled", "safeguarded", "linked", "published")

# What must be the same whether or not a run was killed on the way.
STATE = {
    "resources": (
        "SELECT type, fhir_id::text, rendition, version, content_hash,"
        " convert_from(body, 'UTF8')::jsonb #- '{meta,lastUpdated}' #- '{meta,versionId}'"
        " FROM resource ORDER BY 1, 2, 3"
    ),
    "history": "SELECT type, fhir_id::text, rendition, version FROM resource_history ORDER BY 1, 2, 3, 4",
    "outcomes": "SELECT feed, key, outcome FROM source_record ORDER BY 1, 2, 3",
    "chunks": "SELECT chunk, step, records FROM chunk ORDER BY 1",
    "balance": "SELECT type, outcome, sum(resources) FROM resource_balance GROUP BY 1, 2 ORDER BY 1, 2",
    "people": "SELECT fhir_id::text, person::text FROM patient ORDER BY 1",
    "states": "SELECT feed, key, digest, resources FROM record_state ORDER BY 1, 2",
    "runs": "SELECT partner, status FROM run ORDER BY run",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    records = folder / "records"
    people = [patient(n) for n in range(120)]
    facts = [observation(n, of=n % 120) for n in range(240)]
    broken = [{**observation(9000 + n, of=n), "status": "banana"} for n in range(5)]
    write_ndjson(records / "1-people.ndjson", people)
    write_ndjson(records / "2-facts.ndjson", [*facts, *broken, facts[0]])
    return make_home(folder, records)


def start(home: Path, database: str, data: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(data),
        "EXCHANGE_DATABASE_URL": database,
    }
    command = [sys.executable, "-m", "exchange", "run", "elm_clinic", "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes]) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()


def state(database: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(database) as connection:
        return {name: connection.execute(query).fetchall() for name, query in STATE.items()}


def kill_when(process: subprocess.Popen[bytes], database: str, step: str) -> bool:
    """SIGKILL as soon as one chunk has gone through `step`; False when the run was faster."""
    with psycopg.connect(database, autocommit=True) as connection:
        while process.poll() is None:
            if connection.execute("SELECT FROM chunk WHERE step = %s", [step]).fetchone() is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
            time.sleep(0.002)
    return False


def wait_for(process: subprocess.Popen[bytes], database: str, query: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(query).fetchone() is None and process.poll() is None:
            time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(
    home: Path, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    finish(start(home, module_database, tmp_path_factory.mktemp("data")))
    return state(module_database)


_SLOW = pytest.mark.slow  # a fast one beside it breaks off the same way


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=_SLOW) if step in ("pulled", "linked") else step for step in STEPS]
)
def test_a_run_killed_after_any_step_ends_like_one_that_was_not(
    step: str, home: Path, database: str, tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    assert kill_when(start(home, database, tmp_path), database, step)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT status FROM run").fetchone() == ("open",)
    finish(start(home, database, tmp_path))
    assert state(database) == undisturbed


def test_the_undisturbed_run_accounts_for_every_record(
    undisturbed: dict[str, list[tuple[object, ...]]],
) -> None:
    outcomes = [row[2] for row in undisturbed["outcomes"]]
    assert outcomes.count("published") == 1 + 120 + 240
    assert outcomes.count("quarantined") == 5
    assert undisturbed["runs"] == [("elm_clinic", "balanced")]


AT_WORK = (
    "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
    " WHERE locktype = 'advisory'"
)


def kill_at_work(process: subprocess.Popen[bytes], database: str) -> None:
    """Kills it and waits until the database has noticed: what it was told to commit is committed then."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(AT_WORK).fetchone() is not None:
            time.sleep(0.01)


def finish_through_kills(home: Path, database: str, data: Path, most: int, chance: random.Random) -> int:
    """Kills run after run at any instant of its work, then lets one finish; how many were killed.

    One killed when its run was closed already has finished: another one would be another run.
    """
    for killed in range(most):
        process = start(home, database, data)
        wait_for(process, database, AT_WORK)
        time.sleep(chance.uniform(0, 2))
        kill_at_work(process, database)
        if closed(database):
            return killed + 1
    finish(start(home, database, data))
    return most


def closed(database: str) -> bool:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT FROM run WHERE status <> 'open'").fetchone() is not None


def killed_at_random(
    home: Path, database: str, data: Path, most: int, expected: dict[str, list[tuple[object, ...]]]
) -> None:
    seed = random.randrange(1 << 32)
    killed = finish_through_kills(home, database, data, most, random.Random(seed))
    assert state(database) == expected, f"seed {seed}, {killed} kills"
    assert not [path for path in (data / "batches").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_runs_killed_at_any_instant_end_like_one_that_was_not(
    home: Path, database: str, tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    killed_at_random(home, database, tmp_path, 3, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(12))
def test_runs_killed_many_times_end_like_one_that_was_not(
    turn: int, home: Path, database: str, tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    killed_at_random(home, database, tmp_path, 12, undisturbed)


@pytest.mark.parametrize(
    "moment",
    [
        "SELECT FROM run WHERE NOT pulled_all",
        pytest.param("SELECT FROM chunk WHERE step = 'safeguarded'", marks=_SLOW),
    ],
)
def test_of_two_runs_of_a_partner_at_once_one_is_told_that_somebody_else_is_at_it(
    moment: str, home: Path, database: str, tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    first = start(home, database, tmp_path)
    wait_for(first, database, moment)
    first.send_signal(signal.SIGSTOP)
    try:
        second = start(home, database, tmp_path)
        told, _ = second.communicate(timeout=120)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 6, told.decode()
    finish(first)
    assert state(database) == undisturbed


@pytest.fixture
def exchange(home: Path, database: str, tmp_path: Path) -> Exchange:
    environment = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(tmp_path),
        "EXCHANGE_DATABASE_URL": database,
    }
    return open_exchange(load_settings(environment))


@pytest.mark.parametrize("place", [(ledger, "set_chunk_step"), (Batches, "drop")])
def test_a_chunk_broken_off_at_the_end_of_publishing_is_published_once(
    place: tuple[object, str],
    exchange: Exchange,
    database: str,
    undisturbed: dict[str, list[tuple[object, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(*place)

    def broken(*arguments: object) -> None:
        if place[1] == "drop" or arguments[-1] == "published":
            raise OSError("broken off")
        real(*arguments)

    partner = find_partner(exchange.partners, "elm_clinic")
    with monkeypatch.context() as breaking:
        breaking.setattr(*place, broken)
        with pytest.raises(OSError, match="broken off"):
            run_partner(exchange.work, partner)
    done = run_partner(exchange.work, partner)
    assert balance(exchange, done.run).balanced
    assert state(database) == undisturbed
    assert not [path for path in (exchange.settings.data / "batches").rglob("*") if path.is_file()]


def test_what_a_straggler_says_of_a_chunk_never_sets_it_back(exchange: Exchange) -> None:
    run = run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic")).run
    with exchange.work.connect() as connection:
        ledger.set_chunk_step(connection, run, 0, "mapped")
        assert ledger.chunk_step(connection, run, 0) == "published"

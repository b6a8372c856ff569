"""A process killed at any step loses nothing and repeats nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.pipeline.coalition import make_home, observation, patient, write_ndjson

STEPS = ("pulled", "mapped", "safeguarded", "linked", "published")

# What must be the same whether or not a run was killed on the way.
STATE = {
    "resources": (
        "SELECT type, fhir_id::text, rendition, version, content_hash,"
        " convert_from(body, 'UTF8')::jsonb #- '{meta,lastUpdated}' FROM resource ORDER BY 1, 2, 3"
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


@pytest.fixture(scope="module")
def undisturbed(
    home: Path, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    finish(start(home, module_database, tmp_path_factory.mktemp("data")))
    return state(module_database)


@pytest.mark.parametrize("step", STEPS)
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

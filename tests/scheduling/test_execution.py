"""The DAG's tasks as Airflow executes them: what one hands on to the next, and how parameters arrive."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.app import Exchange
from exchange.pipeline import ledger
from exchange.scheduling.local import airflow_environment
from tests.pipeline.pantry import make_pantry, open_pantry, write

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = "id,name,born\n" + "".join(f"{n},Name{n},\n" for n in range(1, 101))
BROKEN = "id,person,day,size\n1,1,2026-01-02,many\n"


class Scheduler:
    """One Airflow process that executes a run of the pantry's DAG when told so."""

    def __init__(self, folder: Path, exchange: Exchange, process: subprocess.Popen[str]) -> None:
        self.folder, self.exchange, self.process = folder, exchange, process

    def run(self, **conf: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(conf) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("DONE "):
                found: dict[str, Any] = json.loads(line.removeprefix("DONE "))
                return found
        raise AssertionError((self.folder / "airflow.log").read_text()[-4000:])

    def ledger(self, run: int) -> ledger.Run:
        with self.exchange.work.connect() as connection:
            return ledger.get_run(connection, run)


@pytest.fixture(scope="module")
def airflow(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("airflow")
    make_pantry(folder)
    shutil.copytree(ROOT / "dags", folder / "home/dags")
    exchange = open_pantry(folder, module_database)
    environment = {
        **airflow_environment(exchange.settings, module_database, 1),
        "EXCHANGE_DATABASE_URL": module_database,
        "PYTHONPATH": str(ROOT),
    }
    with (folder / "airflow.log").open("ab") as log:
        program = str(Path(sys.executable).parent / "airflow")
        subprocess.run([program, "db", "migrate"], env=environment, stdout=log, stderr=log, check=True)
        command = [sys.executable, "-m", "tests.scheduling.dag_process"]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    yield Scheduler(folder, exchange, process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


@pytest.fixture(scope="module")
def first(airflow: Scheduler) -> dict[str, Any]:
    write(airflow.folder / "files", "people_1.csv", PEOPLE)
    write(airflow.folder / "files", "visits_1.csv", BROKEN)
    return airflow.run()


@pytest.fixture(scope="module")
def second(airflow: Scheduler, first: dict[str, Any]) -> dict[str, Any]:
    return airflow.run()


def states(done: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for task, state in done["tasks"]:
        found.setdefault(task, []).append(state)
    return found


def test_every_chunk_has_tasks_of_its_own_and_the_run_is_closed(
    airflow: Scheduler, first: dict[str, Any]
) -> None:
    assert states(first) == {
        "pull": ["success"], "map_records": ["success"] * 3, "safeguard": ["success"] * 3,
        "link": ["success"], "publish": ["success"],
    }  # fmt: skip
    run = airflow.ledger(first["handed_on"]["pull.run"])
    assert (run.kind, run.status, first["handed_on"]["link.return_value"]) == ("pull", "balanced", 3)
    assert first["handed_on"]["publish.return_value"]["published"] == 102


def test_a_run_knows_what_airflow_calls_the_run_that_took_it(
    airflow: Scheduler, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for done in (first, second, airflow.run(replay_quarantine=True)):
        assert airflow.ledger(done["handed_on"]["pull.run"]).scheduled == done["run_id"]


def test_only_numbers_cross_from_task_to_task(first: dict[str, Any]) -> None:
    chunks = first["handed_on"]["pull.return_value"]
    balance = first["handed_on"]["publish.return_value"]
    assert {key for chunk in chunks for key in chunk} == {"run", "chunk"}
    plain = [value for value in first["handed_on"].values() if not isinstance(value, list | dict)]
    values = [*plain, *balance.values(), *(n for c in chunks for n in c.values())]
    assert {type(value) for value in values} == {int}


def test_a_pull_that_finds_no_chunk_is_linked_published_and_closed_all_the_same(
    airflow: Scheduler, second: dict[str, Any]
) -> None:
    assert states(second) == {
        "pull": ["success"], "map_records": ["skipped"], "safeguard": ["skipped"],
        "link": ["success"], "publish": ["success"],
    }  # fmt: skip
    number = second["handed_on"]["pull.run"]
    assert (second["state"], airflow.ledger(number).status) == ("success", "balanced")
    assert number > 0


def test_a_run_without_parameters_replays_nothing(airflow: Scheduler, second: dict[str, Any]) -> None:
    assert airflow.ledger(second["handed_on"]["pull.run"]).kind == "pull"


def test_a_period_arrives_as_times(airflow: Scheduler, first: dict[str, Any]) -> None:
    started = airflow.ledger(first["handed_on"]["pull.run"]).started.isoformat()
    done = airflow.run(replay_from=started, replay_until="2100-01-01T00:00:00Z")
    run = airflow.ledger(done["handed_on"]["pull.run"])
    assert (run.kind, run.pulled, run.status) == ("replay", 102, "balanced")


def test_quarantine_arrives_as_true(airflow: Scheduler, second: dict[str, Any]) -> None:
    done = airflow.run(replay_quarantine=True)
    run = airflow.ledger(done["handed_on"]["pull.run"])
    assert (run.kind, run.pulled, run.status) == ("replay", 1, "balanced")


def test_quarantine_arrives_as_false(airflow: Scheduler, first: dict[str, Any]) -> None:
    done = airflow.run(replay_quarantine=False, replay_from=None)
    assert airflow.ledger(done["handed_on"]["pull.run"]).kind == "pull"

"""Triggers the partners' DAGs in Airflow and shows each step until all of them have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.live import Live
from rich.table import Table

from exchange.cli.common import console
from exchange.model.errors import ExchangeError
from exchange.scheduling.local import HTTPError, LocalAirflow

STEPS = ("pull", "map_records", "safeguard", "link", "publish")
_MARKS = {
    "success": "[green]✔[/]",
    "running": "[yellow]▶[/]",
    "failed": "[red]✘[/]",
    "upstream_failed": "[red]–[/]",
}
_ENDED = {"success", "failed"}
_PATIENCE = 900.0


def run_dags(airflow: LocalAirflow, dags: Sequence[str]) -> dict[str, str]:
    """The state each DAG's run ended in: success or failed."""
    runs = {dag: _trigger(airflow, dag) for dag in dags}
    states: dict[str, str] = dict.fromkeys(dags, "queued")
    changed, seen = time.monotonic(), None
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        while set(states.values()) - _ENDED:
            if time.monotonic() - changed > _PATIENCE:
                raise ExchangeError(f"no task of Airflow began or ended for {_PATIENCE:.0f} s")
            time.sleep(1.0)
            tasks = {dag: _tasks(airflow, dag, run) for dag, run in runs.items()}
            for dag, run in runs.items():
                states[dag] = airflow.call("GET", f"/dags/{dag}/dagRuns/{run}")["state"]
            now = [(t["task_id"], t["map_index"], t["state"]) for found in tasks.values() for t in found]
            if now != seen:
                changed, seen = time.monotonic(), now
            live.update(_table(states, tasks))
    return states


def _trigger(airflow: LocalAirflow, dag: str) -> str:
    """Triggers a DAG as soon as the dag-processor has read it; returns the run's id."""
    until = time.monotonic() + 120
    while True:
        try:
            return str(airflow.call("POST", f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])
        except HTTPError as error:
            if error.code != 404 or time.monotonic() > until:
                raise ExchangeError(
                    f"Airflow does not know the DAG `{dag}`: {import_errors(airflow)}"
                ) from None
            time.sleep(0.5)


def import_errors(airflow: LocalAirflow) -> str:
    """Why DAG files could not be read, in one line."""
    found = airflow.call("GET", "/importErrors")["import_errors"]
    return "; ".join(str(e["stack_trace"]).strip().splitlines()[-1] for e in found) or "no import error"


def _tasks(airflow: LocalAirflow, dag: str, run: str) -> list[dict[str, Any]]:
    found = airflow.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")
    return list(found["task_instances"])


def _table(states: dict[str, str], tasks: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table(title="Airflow", title_justify="left")
    for column in ("partner", *STEPS, "run"):
        table.add_column(column)
    for dag, state in states.items():
        table.add_row(dag, *(_cell([t for t in tasks[dag] if t["task_id"] == step]) for step in STEPS), state)
    return table


def _cell(instances: list[dict[str, Any]]) -> str:
    done = sum(t["state"] == "success" for t in instances)
    if len(instances) > 1:
        return f"{done}/{len(instances)}"
    return _MARKS.get(instances[0]["state"] or "", "·") if instances else "·"

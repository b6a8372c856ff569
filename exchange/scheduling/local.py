"""Airflow on one machine: api-server, scheduler and dag-processor on loopback, LocalExecutor.

Its metadata lie in the same PostgreSQL as the exchange, in a database of their own that is named after the
exchange's. Nothing here imports Airflow: it is started as the programs its wheel installs.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from exchange.model.errors import ExchangeError
from exchange.repository import ensure_database, scheduler_database
from exchange.settings import Settings

_COMPONENTS = ("api-server", "scheduler", "dag-processor")
_PARALLEL_TASKS = 3


@dataclass(frozen=True, slots=True)
class LocalAirflow:
    """A running Airflow: where its API answers, and a token for it."""

    url: str
    token: str

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call of the REST API (`/api/v2`)."""
        return _call(f"{self.url}/api/v2{path}", method, body, self.token)


@contextmanager
def local_airflow(settings: Settings, database_url: str) -> Iterator[LocalAirflow]:
    """Starts Airflow, waits until it answers, and stops it at the end."""
    home = settings.data / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    environment = airflow_environment(settings, database_url, port)
    _run("db", "migrate", home=home, environment=environment)
    started = [_start(component, home, environment, port) for component in _COMPONENTS]
    try:
        url = f"http://127.0.0.1:{port}"
        yield LocalAirflow(url, _token(url, started, home))
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def airflow_environment(settings: Settings, database_url: str, port: int) -> dict[str, str]:
    """Environment of every Airflow process; secrets are new at each start."""
    metadata = ensure_database(database_url, scheduler_database(database_url))
    return {
        **os.environ,
        "EXCHANGE_HOME": str(settings.home),
        "EXCHANGE_DATA": str(settings.data),
        "EXCHANGE_ENVIRONMENT": str(settings.environment_file),
        "AIRFLOW_HOME": str(settings.data / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.home / "dags"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(_PARALLEL_TASKS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.replace("postgresql://", "postgresql+psycopg2://", 1),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(32),
        "AIRFLOW__CORE__FERNET_KEY": "",
        # Only what is triggered runs: cron schedules are for a deployment that stays up.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "600",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _program() -> str:
    return str(Path(sys.executable).parent / "airflow")


def _run(*arguments: str, home: Path, environment: Mapping[str, str]) -> None:
    with (home / f"{arguments[0]}.log").open("ab") as log:
        done = subprocess.run([_program(), *arguments], env=environment, stdout=log, stderr=log, check=False)
    if done.returncode:
        raise ExchangeError(f"airflow {' '.join(arguments)} failed; see {log.name}")


def _start(component: str, home: Path, environment: Mapping[str, str], port: int) -> subprocess.Popen[bytes]:
    options = ["--port", str(port)] if component == "api-server" else []
    with (home / f"{component}.log").open("ab") as log:
        return subprocess.Popen([_program(), component, *options], env=environment, stdout=log, stderr=log)


def _token(url: str, started: list[subprocess.Popen[bytes]], home: Path, patience: float = 120) -> str:
    """A token as soon as the API answers; raises when a component dies first."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        for component, process in zip(_COMPONENTS, started, strict=True):
            if process.poll() is not None:
                raise ExchangeError(f"airflow {component} ended; see {home / component}.log")
        try:
            return str(_call(f"{url}/auth/token", "GET", None, None)["access_token"])
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise ExchangeError(f"airflow did not answer within {patience:.0f} s; see {home}/api-server.log")


def _call(url: str, method: str, body: Mapping[str, Any] | None, token: str | None) -> dict[str, Any]:
    request = Request(url, method=method, data=None if body is None else json.dumps(body).encode())  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback only
        found: dict[str, Any] = json.loads(answer.read() or b"{}")
        return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


__all__ = ["HTTPError", "LocalAirflow", "local_airflow"]

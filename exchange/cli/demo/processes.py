"""The demo's other processes: the hospital's listener, the partner systems, the FHIR API."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from exchange.model.errors import ExchangeError
from exchange.settings import Settings

_PATIENCE = 180.0


@contextmanager
def process(
    name: str, command: Sequence[str], settings: Settings, ready: Callable[[], bool]
) -> Iterator[None]:
    """Runs `python -m …` until the block ends; returns to the caller when `ready` says so."""
    logs = settings.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(settings.home),
        "EXCHANGE_DATA": str(settings.data),
        "EXCHANGE_BASE_URL": settings.base_url,
    }
    with (logs / f"{name}.log").open("wb") as log:
        started = subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=log, stderr=log)
    try:
        _wait(name, started, ready, logs / f"{name}.log")
        yield
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()


def _wait(name: str, started: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not ready():
        if started.poll() is not None:
            raise ExchangeError(f"{name} ended before it was ready; see {log}")
        if time.monotonic() > until:
            raise ExchangeError(f"{name} was not ready within {_PATIENCE:.0f} s; see {log}")
        time.sleep(0.1)


def port_answers(port: int) -> Callable[[], bool]:
    """Is somebody listening on the loopback port?"""

    def ready() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ready


def log_says(log: Path, word: str) -> Callable[[], bool]:
    """Has the process printed a line that is `word`?"""
    return lambda: log.exists() and word in log.read_text(errors="replace").splitlines()


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

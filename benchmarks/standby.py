"""What a hot standby takes off the primary: the same requests over HTTP, read here and read there, in turn.

`python benchmarks/standby.py [patients]`: for each kind of request the time of an answer, and the processor
time that the primary and the standby each spent on it; then how many answers a second four clients get. All
of it on one machine, so the time is that of shared cores: what counts is the primary's processor time.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from asking import Asking, asking
from hapi import load_exchange, people_and_results

from exchange.repository import url_with
from exchange.repository.database import embedded
from tests.standbys import standby_of

KINDS: dict[str, tuple[str, int]] = {
    "read": ("Patient/{id}", 200),
    "by patient, 20": ("Observation?patient={id}&_count=20", 200),
    "by code, 20": ("Observation?code=4548-4&_count=20", 200),
    "a count of a type": ("Observation?_summary=count", 60),
    "$everything, 50": ("Patient/{id}/$everything?_count=50", 100),
}
CLIENTS = 4
SECONDS = 8.0


def processor_seconds(data: Path) -> float:
    """What the server of this folder, and those of its processes that live, have used so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if (stat.parent / "cwd").readlink() == data:
                ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue  # ended meanwhile
    return ticks / os.sysconf("SC_CLK_TCK")


def in_turn(
    label: str, path: str, rounds: int, sides: dict[str, Asking], ids: list[str], data: list[Path]
) -> None:
    """Blocks of requests to one side and then to the other: what else the machine does weighs on both."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    spent = {name: [0.0, 0.0] for name in sides}
    for block in range(5):
        for name, side in sides.items():
            before = [processor_seconds(folder) for folder in data]
            for n in range(rounds // 5):
                began = time.perf_counter()
                side.get(path.format(id=ids[(block + n) % len(ids)])).raise_for_status()
                took[name].append((time.perf_counter() - began) * 1000)
            after = [processor_seconds(folder) for folder in data]
            spent[name] = [s + b - a for s, a, b in zip(spent[name], before, after, strict=True)]
    for name, times in took.items():
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        here, there = (seconds * 1000 / len(times) for seconds in spent[name])
        print(
            f"{label}, read at the {name}: p50 {p50:.1f} ms, p99 {p99:.1f},"
            f" processor of the primary {here:.1f} ms, of the standby {there:.1f}",
            flush=True,
        )


def together(sides: dict[str, Asking], ids: list[str], data: list[Path]) -> None:
    """Four clients at once, one after the other for each side."""
    path = KINDS["by patient, 20"][0]
    for name, side in sides.items():
        until = time.monotonic() + SECONDS
        before = [processor_seconds(folder) for folder in data]
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = sum(pool.map(_asked_until, [(side.get, path, ids, until)] * CLIENTS))
        here, there = (
            1000 * (processor_seconds(folder) - b) / answers for folder, b in zip(data, before, strict=True)
        )
        print(
            f"{CLIENTS} clients, read at the {name}: {answers / SECONDS:.0f} answers/s,"
            f" processor of the primary {here:.1f} ms each, of the standby {there:.1f}",
            flush=True,
        )


def _asked_until(work: tuple[Callable[[str], object], str, list[str], float]) -> int:
    get, path, ids, until = work
    answers = 0
    while time.monotonic() < until:
        get(path.format(id=ids[answers % len(ids)]))
        answers += 1
    return answers


def main(people: int) -> None:
    print(machine.line(), flush=True)
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        opened, _ = load_exchange(Path(name), people_and_results(people))
        try:
            with standby_of(opened.database_url, Path(name), {"max_connections": "200"}) as (url, folder):
                at_standby = replace(opened.settings, standby_url=url_with(url, user="exchange_api"))
                with (
                    asking(opened, "elm_clinic", "primary") as here,
                    asking(replace(opened, settings=at_standby), "elm_clinic", "standby") as there,
                ):
                    found = here.get("Patient?_count=50&_elements=id").json()["entry"]
                    ids = [entry["resource"]["id"] for entry in found]
                    sides = {"primary": here, "standby": there}
                    data = [Path(name) / "data" / "postgres" / "data", folder / "data"]
                    for label, (path, rounds) in KINDS.items():
                        in_turn(label, path, rounds, sides, ids, data)
                    together(sides, ids, data)
                    if there.service.standby is not None:
                        (left,) = there.service.standby.metrics.left.collect()
                        print(f"left to the primary: {sum(sample.value for sample in left.samples):.0f}")
        finally:
            embedded.stop(Path(name) / "data" / "postgres")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

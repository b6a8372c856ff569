"""How long every page of the console takes over a large repository, beside the lightest page of its role.

`python benchmarks/console.py [resources] [folder]`: fills a database (a million resources if not said, in
`folder` to use it again), signs in as each role, asks for every page that is read and prints a table: the
median of five at the server, and how many times that of the lightest page it is.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.console_filling import fill, make_home
from exchange.app import Exchange, find_partner, open_exchange
from exchange.pipeline.steps import run_partner
from exchange.repository.database import embedded
from exchange.settings import load_settings
from tests.console.conftest import Served, Visitor, serving
from tests.console.walk import PARTNER, address, pages

TIMES = 5
ALSO = ("/quarantine?waiting.page=2", "/privacy/audit?kind=query", "/privacy/audit?participant=elm_clinic",
        "/privacy/audit?since=2026-10-01", "/runs/{run}/records")  # fmt: skip


def opened_in(folder: Path, resources: int) -> Exchange:
    """The exchange of that folder; filled when it is new."""
    home = folder / "home"
    new = not home.exists()
    if new:
        make_home(folder)
    exchange = open_exchange(
        load_settings({"EXCHANGE_HOME": str(home), "EXCHANGE_DATA": str(folder / "data")})
    )
    if new:
        for code in (PARTNER, "oak_clinic"):
            run_partner(exchange.work, find_partner(exchange.partners, code))
        started = time.perf_counter()
        with psycopg.connect(exchange.database_url) as connection:
            fill(connection, exchange, resources)
        print(f"filled in {time.perf_counter() - started:.0f} s")
    return exchange


def visitor_of(served: Served, role: str, visitors: dict[str, Visitor]) -> Visitor:
    if role not in visitors:
        visitors[role] = served.visitor(role, PARTNER if role == "partner" else None)  # type: ignore[arg-type]
    return visitors[role]


def taken(visitor: Visitor, path: str) -> tuple[int, float, int]:
    """(status, median milliseconds when warm, bytes)."""
    first = visitor.get(path)
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        visitor.get(path)
        times.append((time.perf_counter() - started) * 1000)
    return first.status_code, statistics.median(times), len(first.content)


def measure(exchange: Exchange, most: str) -> None:
    rows, visitors = [], {}  # type: ignore[var-annotated]
    with psycopg.connect(exchange.database_url) as connection, serving(exchange) as served:
        (largest,) = connection.execute("SELECT run FROM run ORDER BY pulled DESC LIMIT 1").fetchone()  # type: ignore[misc]
        for place in pages():
            path = address(place, connection)
            if path is None or not path.startswith(most):
                continue
            visitor = visitor_of(served, place.roles[0] if place.roles else "coalition", visitors)
            rows.append((place.roles[0] if place.roles else "", path, *taken(visitor, path)))
            extra = [p for p in ALSO if p.startswith(path + "?")]
            if "{run}" in place.path:
                extra.append(place.path.format(run=largest))
            rows += [(place.roles[0], p, *taken(visitor, p)) for p in extra]
            print(".", end="", flush=True)
        (bytes_,) = connection.execute("SELECT pg_database_size(current_database())").fetchone()  # type: ignore[misc]
    print(f"\ndatabase: {bytes_ / 1e9:.1f} GB")
    lightest = min(row[3] for row in rows if row[2] == 200)
    for role, path, status, milliseconds, size in sorted(rows, key=lambda row: -row[3]):
        print(
            f"{milliseconds:9.1f} ms {milliseconds / lightest:7.1f} × {status} {size:8,} B  {role:16} {path}"
        )


def main(resources: int, folder: Path | None, most: str = "/") -> None:
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        used = folder or Path(name)
        exchange = opened_in(used, resources)
        try:
            measure(exchange, most)
        finally:
            if folder is None:
                embedded.stop(used / "data" / "postgres")


if __name__ == "__main__":
    print(machine.line())
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 1_000_000,
        Path(given[1]) if given[1:] else None,
        given[2] if given[2:] else "/",
    )

"""Whether a load stays linear and its memory flat: whole runs of two sizes, the larger against the smaller.

`python benchmarks/linear.py [small] [large]` takes so many copies of a Synthea set (each some 11,400
resources about other people; default 4 and 20) from NDJSON files to queryable with `run_partner`, on all
cores, each size in a process and a database of its own. The baseline is the smaller run: 1 is linear.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import machine
from load import SHARED, invented, own_seconds, prepared, server_seconds, synthea, write

from exchange.pipeline.steps import run_partner
from exchange.repository.database import embedded


class Loaded(NamedTuple):
    """Of one run: microseconds a resource, and the most memory of any of its processes."""

    resources: int
    wall: float
    processor: float
    server: float
    megabytes: float
    bytes_stored: float


def measured(copies: int) -> Loaded:
    lines = list(synthea(SHARED / "synthea_fhir_smart150")) or list(invented())
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        folder = Path(name)
        resources = write(folder / "records", lines, copies)
        del lines
        try:
            opened = prepared(folder)
            postmaster = int((folder / "data/postgres/data/postmaster.pid").read_text().split()[0])
            own, server, started = own_seconds(), server_seconds(postmaster), time.perf_counter()
            run_partner(opened.work, opened.partners["elm_clinic"], _told)
            wall, own = time.perf_counter() - started, own_seconds() - own
            server = server_seconds(postmaster) - server
            with opened.work.connect() as connection:
                size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        finally:
            embedded.stop(folder / "data" / "postgres")
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    each = 1e6 / resources
    return Loaded(resources, wall * each, own * each, server * each, most / 1024, size[0] / resources)


def _told(step: str, done: int, total: int) -> None:
    print(f"\r{step} {done}/{total} ", end="", file=sys.stderr, flush=True)


def apart(copies: int) -> Loaded:
    """In a process of its own: what it needed at most is told once in its life."""
    found = subprocess.run([sys.executable, __file__, "-", str(copies)], check=True, stdout=subprocess.PIPE)
    return Loaded(*json.loads(found.stdout))


def main(small: int, large: int) -> None:
    print(machine.line())
    runs = [apart(copies) for copies in (small, large)]
    print("", file=sys.stderr)
    for run in runs:
        print(
            f"{run.resources:>10,} resources: {1e6 / run.wall:,.0f}/s; {run.wall:.0f} us each,"
            f" of processor {run.processor:.0f} here + {run.server:.0f} in the server;"
            f" {run.megabytes:,.0f} MB at most; {run.bytes_stored:,.0f} bytes stored"
        )
    for name in ("wall", "processor", "server", "megabytes", "bytes_stored"):
        before, after = (getattr(run, name) for run in runs)
        print(f"{name:>12}: {after / before:.2f} x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["-"]:
        print(json.dumps(measured(int(sys.argv[2]))))
    else:
        main(*([int(number) for number in sys.argv[1:3]] or [4, 20]))

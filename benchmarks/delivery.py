"""From a published admission to the notice at its recipient, with one worker; and notices per second.

Baseline: the same bytes posted to the same receiver without an exchange.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import machine
import psycopg
import requests

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate
from tests.delivery.receiver import Got, Receiver
from tests.delivery.world import Clinic, delivery, open_world

PEOPLE, SINGLE = 300, 60


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="exchange-bench-"))
    url = embedded.ensure_running(folder)
    migrate(url)
    arrived: dict[str, float] = {}

    def note(got: Got) -> tuple[int, bytes, dict[str, str]]:
        for visit in got.of("Encounter"):
            arrived[visit["id"]] = time.perf_counter()
        return 200, b"", {}

    inbox = Receiver(note)
    try:
        with psycopg.connect(url) as conn:
            world = open_world(conn, url)
            world.subscribe(notices=delivery(inbox.url))
            people = [world.person(str(n))[0] for n in range(PEOPLE)]
            _one_by_one(world, people[:SINGLE], arrived)
            _all_at_once(world, people, inbox)
    finally:
        inbox.stop()
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _one_by_one(world: Clinic, people: list[str], arrived: dict[str, float]) -> None:
    stop = threading.Event()

    def worker() -> None:
        while not stop.is_set():
            world.send()
            stop.wait(0.5)

    thread = threading.Thread(target=worker)
    thread.start()
    began: dict[str, float] = {}
    for number, patient in enumerate(people):
        began[world.admit(patient, key=f"single-{number}")] = time.perf_counter()
        time.sleep(0.1)
    while len(arrived) < len(people):
        time.sleep(0.01)
    stop.set()
    thread.join()
    waits = sorted(arrived[visit] - at for visit, at in began.items())
    print(
        f"published to notice: median {statistics.median(waits):.2f} s,"
        f" 95 of 100 within {waits[int(len(waits) * 0.95)]:.2f} s"
    )


def _all_at_once(world: Clinic, people: list[str], inbox: Receiver) -> None:
    for number, patient in enumerate(people):
        world.admit(patient, key=f"bulk-{number}")
    started = time.perf_counter()
    counts = world.send()
    took = time.perf_counter() - started
    body = inbox.got[-1].body
    bare = time.perf_counter()
    with requests.Session() as session:
        for _ in range(len(people)):
            session.post(inbox.url, data=body, timeout=10)
    alone = time.perf_counter() - bare
    print(
        f"{counts['acknowledged']} notices: {counts['acknowledged'] / took:.0f} a second,"
        f" {took / alone:.1f} times the bare posts"
    )


if __name__ == "__main__":
    print(machine.line())
    main()

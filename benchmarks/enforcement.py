"""What enforcement costs: searches about one patient with row-level security beside the same without it.

`python benchmarks/enforcement.py [patients]`; then how long a revocation of one person's 500 records takes,
beside the bare UPDATEs that give so many rows another class. The baseline of the searches is the same
statements by the owner of the tables, whom no policy binds, on a connection of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "repository"))

from repository_world import AT, BASE, HOSPITAL, KEY, SHELTER, World, coalition, observation
from test_reprofile import consent, deny_to

from exchange.model.ids import golden_id
from exchange.repository import Page, Reader, search
from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.storage.store import move

RECORDS = 500


@contextmanager
def unbound(world: World) -> Iterator[Reader]:
    """The view of the hospital as the owner of the tables sees it: everything."""
    with world.conn.transaction():
        world.conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        world.conn.execute("SELECT enter_view('hospital', 'organization', 'TREAT', %s)", (AT,))
        yield Reader(world.conn, HOSPITAL, AT)


def populate(world: World, people: int, records: int) -> list[str]:
    """Patients of the hospital, each with as many measurements."""
    found = []
    for n in range(people):
        patient = world.patient("hospital", f"p{n}", name=[{"family": f"Family{n}"}])
        world.publish(
            *(
                world.item("hospital", observation("hospital", patient, f"{n}-{k}"), event_time=AT)
                for k in range(records)
            )
        )
        found.append(patient)
    return found


def compare(world: World, free_world: World, patients: list[str], rounds: int = 300) -> None:
    """Both ways in turn, so that what else the machine does weighs on both."""
    queries = {
        "by patient, 20": [("_count", "20")],
        "by patient and code": [("code", "2345-7"), ("_count", "20")],
        "by patient, newest first": [("_sort", "-date"), ("_count", "20")],
        "by patient, total": [("_total", "accurate"), ("_count", "20")],
    }
    for name, rest in queries.items():
        bound, free = [], []
        for n in range(rounds):
            asked = [("patient", golden_id(patients[n % len(patients)])), *rest]
            bound.append(_time(partial(_ask, world.as_viewer(HOSPITAL), asked)))
            free.append(_time(partial(_ask, unbound(free_world), asked)))
        fast, faster = (statistics.quantiles(taken, n=10)[0] for taken in (bound, free))
        print(f"{name}: {fast / faster:.2f} x without enforcement ({fast:.2f} ms / {faster:.2f} ms)")


def _ask(opened: AbstractContextManager[Reader], asked: list[tuple[str, str]]) -> Page:
    with opened as view:
        return search(view, "Observation", asked, BASE, KEY)


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def revoke(world: World, patient: str, rounds: int = 8) -> None:
    """From the revocation's arrival to the first answer without the records."""
    taken, bare = [], []
    asked = [("patient", golden_id(patient)), ("_count", "20")]
    for n in range(rounds):
        for denied, provision in ((False, {"type": "permit"}), (True, deny_to("shelter"))):
            given = {**consent(patient, provision=provision), "dateTime": f"2026-01-{n + 1:02}"}
            item = world.item("hospital", given, event_time=AT)
            started = time.perf_counter()
            world.publish(item)
            page = _ask(world.as_viewer(SHELTER), asked)
            taken.append((time.perf_counter() - started) * 1000)
            if denied == bool(page.entries):
                raise SystemExit("what the consent says did not show in the next query")
        bare.append(_time(partial(_move_all, world, patient)))
    best, moving = min(taken[1::2]), min(bare)
    print(
        f"revocation of {RECORDS} records to the next query: {best / moving:.1f} x the bare UPDATEs"
        f" ({best:.0f} ms / {moving:.0f} ms)"
    )


def _move_all(world: World, patient: str) -> None:
    """The least that has to be written; rolled back."""
    with world.conn.transaction(force_rollback=True):
        (other,) = world.conn.execute("SELECT min(class) FROM disclosure_class").fetchone()
        rows = world.conn.execute(
            "SELECT rid FROM resource JOIN patient p USING (patient) WHERE p.fhir_id = %s", [patient]
        ).fetchall()
        move(world.conn, dict.fromkeys((row[0] for row in rows), other))


def main(people: int) -> None:
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        folder = Path(name)
        url = embedded.ensure_running(folder)
        try:
            migrate(url)
            with psycopg.connect(url) as conn:
                world = World(conn, coalition())
                register_participants(conn, world.context, AT)
                patients = populate(world, people, 40)
                (one,) = populate_one(world)
                conn.execute("COMMIT; ANALYZE")
                conn.commit()
                # A plan made under policies is made again when the role changes: each way has its connection.
                with psycopg.connect(url) as free:
                    compare(world, World(free, world.context), patients)
                revoke(world, one)
        finally:
            embedded.stop(folder)


def populate_one(world: World) -> list[str]:
    patient = world.patient("hospital", "one", name=[{"family": "One"}])
    world.publish(
        *(world.item("hospital", observation("hospital", patient, f"one-{k}")) for k in range(RECORDS))
    )
    return [patient]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)

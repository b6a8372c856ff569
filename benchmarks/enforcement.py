"""What enforcement costs: searches and a bulk export with row-level security beside the same without it.

`python benchmarks/enforcement.py [patients]`: first whole requests over HTTP as a participant's software
asks, with all that both ways have in common; then the searches alone, inside one process; then how long a
revocation of one person's 500 records takes, beside the bare UPDATEs that give so many rows another
class. The baseline are the same statements by the owner of the tables, whom no policy binds, on a
connection of its own. The ratio is that of processor time, here and in the server, tenth percentiles:
what else the machine does weighs on any other.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import machine
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "repository"))

from asking import Asking, asking
from hapi import load_exchange, people_and_results
from repository_world import AT, BASE, CLINIC, HOSPITAL, KEY, SHELTER, World, coalition, observation
from test_reprofile import consent, deny_to

from exchange.model.ids import golden_id
from exchange.model.records import Viewer
from exchange.repository import Page, Portion, Reader, bulk_slice, everything, fold_new_classes, search
from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.reading import reader as reading
from exchange.repository.storage.store import move

RECORDS = 500


@contextmanager
def unbound(world: World, viewer: Viewer) -> Iterator[Reader]:
    """The view as the owner of the tables sees it: everything."""
    with world.conn.transaction():
        world.conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        names = (viewer.participant, viewer.role, viewer.purpose)
        world.conn.execute("SELECT enter_view(%s, %s, %s, %s)", (*names, AT))
        yield Reader(world.conn, viewer, AT)


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


Ask = Callable[[Reader, str], int]
"""From a view and the golden id of a Patient to the bytes of what is found."""


def searched(kind: str, *rest: tuple[str, str], about_one: bool = True) -> Ask:
    def ask(view: Reader, golden: str) -> int:
        asked = [("patient", golden), *rest] if about_one else list(rest)
        return _length(search(view, kind, asked, BASE, KEY))

    return ask


def exported(view: Reader, golden: str) -> int:
    lines, _ = bulk_slice(view, Portion("Observation"), "", 1_000, KEY)
    return sum(len(line.body) for line in lines)


QUERIES: dict[str, tuple[Ask, int]] = {
    "by patient, 20": (searched("Observation", ("_count", "20")), 300),
    "by patient and code": (searched("Observation", ("code", "2345-7"), ("_count", "20")), 300),
    "by patient, newest first": (searched("Observation", ("_sort", "-date"), ("_count", "20")), 300),
    "by patient, total": (searched("Observation", ("_total", "accurate"), ("_count", "20")), 300),
    "by code, 20": (searched("Observation", ("code", "2345-7"), ("_count", "20"), about_one=False), 100),
    "people by name": (searched("Patient", ("family", "Family7"), about_one=False), 100),
    "everybody, 20": (searched("Patient", ("_count", "20"), about_one=False), 60),
    "$everything, 50": (
        lambda view, golden: _length(everything(view, golden, [("_count", "50")], BASE, KEY)),
        60,
    ),
    "bulk export, 1,000": (exported, 12),
}


def compare(world: World, free_world: World, patients: list[str], viewer: Viewer) -> None:
    """Both ways in turn, so that what else the machine does weighs on both."""
    for name, (ask, rounds) in QUERIES.items():
        bound, free, size = Taken(world.conn), Taken(free_world.conn), 0
        for n in range(rounds):
            golden = golden_id(patients[n % len(patients)])
            size = _asked(world.as_viewer(viewer), ask, golden, bound)
            if _asked(unbound(free_world, viewer), ask, golden, free) != size:
                raise SystemExit(f"{name}: not the same is found both ways")
        _tell(name, bound, free, size)


def _tell(name: str, bound: Taken | Requested, free: Taken | Requested, size: int) -> None:
    work, less = (statistics.quantiles(taken.work, n=10)[0] for taken in (bound, free))
    (p50, p99), (p50_free, p99_free) = (_spread(taken.time) for taken in (bound, free))
    print(
        f"{name}: {work / less:.2f} x without enforcement (processor {work:.2f} ms / {less:.2f} ms,"
        f" p50 {p50:.2f} / {p50_free:.2f}, p99 {p99:.2f} / {p99_free:.2f}),"
        f" {size / p50 / 1000:.1f} MB/s / {size / p50_free / 1000:.1f} MB/s",
        flush=True,
    )


REQUESTS: dict[str, tuple[Callable[[Asking, str], int], int]] = {
    "by patient, 20": (lambda a, key: len(a.get(f"Observation?patient={key}&_count=20").content), 150),
    "by patient, newest first": (
        lambda a, key: len(a.get(f"Observation?patient={key}&_sort=-date&_count=20").content),
        150,
    ),
    "by code, 20": (lambda a, _: len(a.get("Observation?code=4548-4&_count=20").content), 150),
    "read": (lambda a, key: len(a.get(f"Patient/{key}").content), 150),
    "$everything, 50": (lambda a, key: len(a.get(f"Patient/{key}/$everything?_count=50").content), 100),
    "bulk export": (lambda a, _: a.export("Observation"), 12),
}


def compare_requests(people: int) -> None:
    """Whole requests over HTTP, from the token to the record of the disclosure, in turn with and without."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        opened, _ = load_exchange(Path(name), people_and_results(people))
        as_owner = replace(opened, settings=replace(opened.settings, api_database_url=opened.database_url))
        try:
            with (
                asking(opened, "elm_clinic", "bound") as bound,
                asking(as_owner, "elm_clinic", "free") as free,
                psycopg.connect(opened.database_url, autocommit=True) as conn,
            ):
                found = bound.get("Patient?_count=50&_elements=id").json()["entry"]
                ids = [entry["resource"]["id"] for entry in found]
                for label, (ask, rounds) in REQUESTS.items():
                    with_it, without = Requested(conn, bound), Requested(conn, free)
                    for n in range(rounds + 5):
                        size = with_it.ask(ask, ids[n % len(ids)])
                        with unenforced():
                            if without.ask(ask, ids[n % len(ids)]) != size:
                                raise SystemExit(f"{label}: not the same is found both ways")
                    _tell(f"request {label}", with_it, without, size)
        finally:
            embedded.stop(Path(name) / "data" / "postgres")


@contextmanager
def unenforced() -> Iterator[None]:
    """Views opened meanwhile stay with who logged in, here the owner of the tables."""
    enforced = reading._OPEN
    reading._OPEN = enforced.replace("'exchange_api'", "'none'")
    try:
        yield
    finally:
        reading._OPEN = enforced


class Requested:
    """Milliseconds of each request, and of the processor: here, and in the server for this login."""

    def __init__(self, conn: psycopg.Connection, asked: Asking) -> None:
        self.time, self.work, self._asked = list[float](), list[float](), asked
        with asked.service.pool.connection() as own:
            (self._login,) = own.execute("SELECT session_user").fetchone() or ("",)
        self._conn = conn

    def ask(self, ask: Callable[[Asking, str], int], key: str) -> int:
        rows = self._conn.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [self._login])
        servers = [Path(f"/proc/{pid}/schedstat") for (pid,) in rows.fetchall()]
        started, work = time.perf_counter(), _worked(servers)
        size = ask(self._asked, key)
        self.time.append((time.perf_counter() - started) * 1000)
        self.work.append((_worked(servers) - work) * 1000)
        return size


def _worked(servers: Sequence[Path]) -> float:
    return time.process_time() + sum(int(server.read_text().split()[0]) for server in servers) / 1e9


class Taken:
    """Milliseconds of each query, and of the processor: here, and in the server's process for `conn`."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.time, self.work = list[float](), list[float]()
        self._server = Path(f"/proc/{conn.info.backend_pid}/schedstat")

    @contextmanager
    def noted(self) -> Iterator[None]:
        started, work = time.perf_counter(), self._work()
        yield
        self.time.append((time.perf_counter() - started) * 1000)
        self.work.append((self._work() - work) * 1000)

    def _work(self) -> float:
        return time.process_time() + int(self._server.read_text().split()[0]) / 1e9


def _spread(taken: list[float]) -> tuple[float, float]:
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def _asked(opened: AbstractContextManager[Reader], ask: Ask, golden: str, taken: Taken) -> int:
    """Bytes found; notes what it took."""
    with taken.noted(), opened as view:
        return ask(view, golden)


def _length(page: Page) -> int:
    return sum(len(entry.body) for entry in page.entries)


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
                conn.execute(  # the clinic sees those for whom it cares: of them everything, as the hospital
                    "INSERT INTO relationship (participant, patient, basis, until)"
                    " SELECT 'clinic', patient, 'panel', %s FROM patient",
                    (AT.replace(year=2027),),
                )
                fold_new_classes(conn, AT)
                conn.execute("COMMIT; ANALYZE")
                conn.commit()
                # A plan made under policies is made again when the role changes: each way has its connection.
                with psycopg.connect(url) as free:
                    for viewer in (HOSPITAL, CLINIC):
                        print(f"== {viewer.participant}")
                        compare(world, World(free, world.context), patients, viewer)
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
    print(machine.line())
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    compare_requests(size)
    main(size)

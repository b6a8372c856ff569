"""How fast the repository publishes, answers under enforcement and decides again, on this machine.

`python benchmarks/repository.py [patients]`; prints one line per measurement.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import machine
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "repository"))

from repository_world import AT, BASE, HOSPITAL, KEY, World, coalition, observation

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import everything, fold_new_classes, search
from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.ruling import redecide_all
from exchange.repository.storage.items import PublishItem
from exchange.repository.write import publish

PARTNERS = ("hospital", "clinic", "shelter")
LABELS = [Labels()] * 8 + [Labels("R", frozenset({"HIV"})), Labels("R", frozenset({"SUD", "42CFRPart2"}))]
CODES = [f"{n}-{n % 10}" for n in range(1000, 1200)]
BATCH = 500
PER_PATIENT = 40


def people(count: int) -> list[tuple[str, str]]:
    """(partner, Patient id)."""
    each = ((PARTNERS[n % len(PARTNERS)], str(n)) for n in range(count))
    return [(partner, resource_id(f"https://{partner}.example/", "Patient", key)) for partner, key in each]


def items(world: World, patients: list[tuple[str, str]]) -> Iterator[PublishItem]:
    """A Patient and its observations, person by person."""
    random = Random(1)
    for partner, fhir_id in patients:
        name = {"family": f"Family{random.randrange(500)}", "given": ["Given"]}
        patient = {"resourceType": "Patient", "id": fhir_id, "name": [name], "birthDate": "1980-01-01"}
        yield world.item(partner, patient)
        for n in range(PER_PATIENT):
            code = {"coding": [{"system": "http://loinc.org", "code": random.choice(CODES)}]}
            day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(1000))
            found = observation(
                partner,
                fhir_id,
                f"{fhir_id}-{n}",
                code=code,
                effectiveDateTime=day.isoformat(),
                note=[{"text": "x" * 700}],
            )
            yield world.item(partner, found, labels=random.choice(LABELS), event_time=day)


def enter(conn: psycopg.Connection, patients: list[tuple[str, str]]) -> None:
    rows = [(fhir_id, golden_id(fhir_id), partner, fhir_id) for partner, fhir_id in patients]
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, %s, %s, '{}')",
            rows,
        )
    conn.commit()


def publish_all(world: World, given: list[PublishItem], name: str) -> None:
    started, each = time.perf_counter(), iter(given)
    while batch := list(islice(each, BATCH)):
        publish(world.conn, batch, (), world.context, AT)
        world.conn.commit()
    print(f"{name}: {len(given) / (time.perf_counter() - started):,.0f} resources/s")


def measure(name: str, ask: Callable[[int], object], times: int = 300) -> None:
    taken = []
    for n in range(times):
        started = time.perf_counter()
        ask(n)
        taken.append((time.perf_counter() - started) * 1000)
    p99 = statistics.quantiles(taken, n=100)[98]
    print(f"{name}: p50 {statistics.median(taken):.2f} ms, p99 {p99:.2f} ms")


def queries(world: World, patients: list[tuple[str, str]]) -> None:
    own = [golden_id(fhir_id) for partner, fhir_id in patients if partner == "hospital"]

    def ask(kind: str, *asked: tuple[str, str]) -> object:
        with world.as_viewer(HOSPITAL) as view:
            return search(view, kind, asked, BASE, KEY)

    def all_of(patient: str) -> object:
        with world.as_viewer(HOSPITAL) as view:
            return everything(view, patient, [], BASE, KEY)

    measure("open a view", lambda n: _open(world))
    measure(
        "observations of a patient",
        lambda n: ask("Observation", ("patient", own[n % len(own)]), ("_count", "20")),
    )
    measure(
        "observations of a patient by code",
        lambda n: ask("Observation", ("patient", own[n % len(own)]), ("code", CODES[n % len(CODES)])),
    )
    measure(
        "observations by code, 20",
        lambda n: ask("Observation", ("code", CODES[n % len(CODES)]), ("_count", "20")),
    )
    measure("patients by name", lambda n: ask("Patient", ("family", f"family{n % 500}")))
    measure("everything", lambda n: all_of(own[n % len(own)]))
    measure("count of a whole type", lambda n: ask("Observation", ("_summary", "count")), 5)


def _open(world: World) -> None:
    with world.as_viewer(HOSPITAL):
        pass


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        folder = Path(name)
        url = embedded.ensure_running(folder)
        try:
            migrate(url)
            with psycopg.connect(url) as conn:
                world = World(conn, coalition())
                register_participants(conn, world.context, AT)
                patients = people(count)
                enter(conn, patients)
                given = list(items(world, patients))
                publish_all(world, given, "publish, new")
                publish_all(world, given, "publish, unchanged")
                publish_all(
                    world,
                    [i._replace(labels=Labels("R", frozenset({"STD"}))) for i in given[:5000]],
                    "publish, other class",
                )
                fold_new_classes(conn, AT)  # as when a run closes
                conn.execute("COMMIT; ANALYZE")
                conn.commit()
                queries(world, patients)
                started = time.perf_counter()
                classes = redecide_all(conn, world.context, AT)
                conn.commit()
                print(f"decide all {classes} classes again: {time.perf_counter() - started:.2f} s")
        finally:
            embedded.stop(folder)


if __name__ == "__main__":
    print(machine.line())
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

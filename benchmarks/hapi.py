"""The exchange beside HAPI FHIR's JPA server: the same data, machine and PostgreSQL, one after the other.

`python benchmarks/hapi.py [people]` loads people with twenty results each from NDJSON to queryable, then
asks both over HTTP, in turn. The exchange validates, labels, decides, links and audits meanwhile.
HAPI gets transactions of 500 PUTs from two clients, as `tests/hapi` has it set: no references enforced, ids
by clients. Without Java, Maven or a way to its registry it says so and ends well.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
import orjson
import requests

sys.path.insert(0, str(Path(__file__).parents[1]))

from asking import Asking, asking

from exchange.app import Exchange, open_exchange
from exchange.pipeline.steps import run_partner
from exchange.repository.database import embedded
from exchange.settings import load_settings
from tests.hapi.running import NotToBeHad, hapi_server
from tests.pipeline.coalition import CLINIC, make_home, observation, patient, write_ndjson

RESULTS = 20
Resources = list[dict[str, object]]


def people_and_results(count: int) -> Resources:
    """In the order in which a source would send them."""
    people = [patient(n) for n in range(count)]
    return [*people, *(observation(n, of=n % count, value=n % 90 / 10) for n in range(count * RESULTS))]


def load_exchange(folder: Path, resources: Resources) -> tuple[Exchange, float]:
    """From files in a folder to queryable: pull, map, safeguard, link, publish."""
    records = folder / "records"
    for start in range(0, len(resources), 10_000):
        write_ndjson(records / f"{start:08}.ndjson", resources[start : start + 10_000])
    make_home(folder, records)
    yaml = folder / "mappings" / "elm_clinic" / "partner.yaml"
    yaml.write_text(CLINIC.format(folder=records).replace("chunk_records: 40\n", "chunk_records: 20000\n"))
    environment = {"EXCHANGE_HOME": str(folder), "EXCHANGE_DATA": str(folder / "data")}
    opened = open_exchange(load_settings(environment))
    started = time.perf_counter()
    run = run_partner(opened.work, opened.partners["elm_clinic"])
    taken = time.perf_counter() - started
    with opened.work.connect() as connection:
        (stored,) = connection.execute("SELECT count(*) FROM resource").fetchone()
    if stored < len(resources):
        raise SystemExit(f"the run is {run.status}; {stored} of {len(resources)} resources can be found")
    return opened, len(resources) / taken


def load_hapi(url: str, resources: Resources) -> float:
    """Transactions of 500 from two clients."""

    def post(part: Resources) -> None:
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in part
        ]
        body = orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        headers = {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
        requests.post(url, body, headers=headers, timeout=600).raise_for_status()

    parts = [resources[n : n + 500] for n in range(0, len(resources), 500)]
    post(parts[0])  # a machine that has just started is given time to find its feet
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, parts[1:]))
    return sum(map(len, parts[1:])) / (time.perf_counter() - started)


def compare(
    name: str,
    ours: Callable[[int], requests.Response],
    theirs: Callable[[int], requests.Response],
    rounds: int,
) -> None:
    """Both in turn, so that what else the machine does weighs on both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds + 5):
        for place, ask in enumerate((ours, theirs)):
            started = time.perf_counter()
            ask(n).raise_for_status()
            if n >= 5:
                taken[place].append((time.perf_counter() - started) * 1000)
    us, them = (statistics.median(each) for each in taken)
    slow_us, slow_them = (statistics.quantiles(each, n=100)[98] for each in taken)
    print(
        f"{name}: HAPI takes {them / us:.1f} x as long"
        f" (p50 {us:.1f} ms / {them:.1f} ms, p99 {slow_us:.1f} ms / {slow_them:.1f} ms)"
    )


def main(count: int) -> None:
    resources = people_and_results(count)
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        ours, hapi = Path(name) / "ours", Path(name) / "hapi"
        hapi.mkdir()
        try:
            with hapi_server(hapi) as url:
                theirs_loaded = load_hapi(url, resources)
                opened, loaded = load_exchange(ours, resources)
                print(
                    f"load: {loaded / theirs_loaded:.1f} x HAPI"
                    f" ({loaded:,.0f} resources/s / {theirs_loaded:,.0f} resources/s)"
                )
                search(opened, url, count)
        except NotToBeHad as reason:
            print(f"not measured: {reason}")
        finally:
            embedded.stop(ours / "data" / "postgres")


def search(opened: Exchange, url: str, count: int, rounds: int = 60) -> None:
    session = requests.Session()
    with asking(opened, "elm_clinic") as ours:
        ask = ours.get
        found = ask("Patient?_count=100&_elements=id").json()["entry"]
        ids = [entry["resource"]["id"] for entry in found]
        pairs = {
            "results of a patient": lambda key: f"Observation?patient={key}&_count=20",
            "results of a patient by code": lambda key: f"Observation?patient={key}&code=4548-4&_count=20",
            "$everything": lambda key: f"Patient/{key}/$everything?_count=50",
        }
        for name, path in pairs.items():
            compare(
                name,
                lambda n, path=path: ask(path(ids[n % len(ids)])),
                lambda n, path=path: session.get(f"{url}/{path(f'p{n % count}')}", timeout=60),
                rounds,
            )
        export(ours, session, url)
        compare(
            "results by code, 20",
            lambda n: ask("Observation?code=4548-4&_count=20"),
            lambda n: session.get(f"{url}/Observation?code=4548-4&_count=20", timeout=60),
            rounds,
        )


def export(ours: Asking, session: requests.Session, url: str, rounds: int = 3) -> None:
    """All results, asked for, written and fetched; the best of a few, in turn."""
    ways = (lambda: ours.export("Observation"), lambda: export_hapi(session, url))
    fastest = [0.0, 0.0]
    for _ in range(rounds):
        for place, whole in enumerate(ways):
            started = time.perf_counter()
            size = whole()
            fastest[place] = max(fastest[place], size / (time.perf_counter() - started) / 1e6)
    us, them = fastest
    print(f"bulk export: {us / them:.1f} x HAPI ({us:.1f} MB/s / {them:.1f} MB/s)")


def export_hapi(session: requests.Session, url: str) -> int:
    """Bytes of an export of all results."""
    begun = session.get(
        f"{url}/$export?_type=Observation",
        headers={"Prefer": "respond-async", "Cache-Control": "no-cache"},
        timeout=60,
    )
    begun.raise_for_status()
    while (status := session.get(begun.headers["content-location"], timeout=60)).status_code == 202:
        time.sleep(0.05)
    status.raise_for_status()
    files = [file["url"] for file in status.json()["output"]]
    found = [session.get(one, headers={"Accept": "application/fhir+ndjson"}, timeout=60) for one in files]
    return sum(len(one.content) for one in found)


if __name__ == "__main__":
    print(machine.line())
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)

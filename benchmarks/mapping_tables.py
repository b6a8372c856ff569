"""How fast tables, service directories and FHIR become checked FHIR, against plain Python that does little.

`python benchmarks/mapping_tables.py [records]`; records and resources per second of CPU time, and how often
the cost of a short script in the same run: csv, a dict for each resource and orjson (also with pandas), or
json read and written again. The scripts check nothing, translate no code and trace nothing.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
import orjson
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.content import load_partners, read_tree
from exchange.formats import split
from exchange.mapping import Maps, load_maps, map_record
from exchange.mapping.golden import shared_maps
from exchange.model.records import Document, SourceRecord
from exchange.validation import validate

ROOT = Path(__file__).parents[1] / "mappings"
SAMPLES = ROOT / "_shared" / "samples"


def many(path: Path, records: int) -> bytes:
    """A table of so many rows: those of the sample, each under numbers of its own."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    header, body = rows[0], rows[1:]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    for number in range(records):
        first, *rest = body[number % len(body)]
        writer.writerow([f"{first}-{number}", *rest])
    return out.getvalue().encode()


def patients_by_script(payload: bytes) -> int:
    """Rows of Client.csv as Patient JSON by the csv module and a dict: what a script of an afternoon does."""
    made = 0
    for row in csv.DictReader(io.StringIO(payload.decode())):
        made += bool(_patient(row))
    return made


def patients_by_pandas(payload: bytes) -> int:
    """The same from a DataFrame's records."""
    frame = pd.read_csv(io.BytesIO(payload), dtype=str, keep_default_na=False)
    return sum(bool(_patient(row)) for row in frame.to_dict("records"))


def _patient(row: dict[str, str]) -> bytes:
    return orjson.dumps(
        {
            "resourceType": "Patient",
            "id": row["PersonalID"],
            "identifier": [{"system": "https://hmis.example/client", "value": row["PersonalID"]}],
            "name": [{"family": row["LastName"], "given": [row["FirstName"]]}],
            "gender": {"0": "female", "1": "male"}.get(row["Sex"], "unknown"),
            "birthDate": row["DOB"],
        }
    )


def again(payloads: list[bytes]) -> int:
    """JSON read and written."""
    return sum(bool(orjson.dumps(orjson.loads(payload))) for payload in payloads)


def checked(records: list[SourceRecord], maps: Maps) -> int:
    """The number of resources that the records become, each checked."""
    made = 0
    for record in records:
        for resource in map_record(record, maps).resources:
            validate(resource)
            made += 1
    return made


def seconds(work: Callable[[], object]) -> float:
    """Of CPU time, once caches are warm."""
    work()
    started = time.process_time()
    work()
    return time.process_time() - started


def report(name: str, records: int, full: float, made: int, bare: dict[str, float]) -> None:
    shown = "".join(f"{full / spent:>9.1f} x {what}" for what, spent in bare.items())
    print(f"{name:<34}{records / full:>10,.0f}/s{made / full:>12,.0f}/s{shown}")


def table(feed: str, sample: str, records: int, maps: Maps) -> tuple[bytes, list[SourceRecord]]:
    payload = many(SAMPLES / feed / sample, records)
    # What the map refuses is no work: the rows of a victim service provider are left out.
    lines = [line for line in payload.splitlines(keepends=True) if not line.rstrip().endswith((b",1", b"|1"))]
    document = Document(feed, sample, b"".join(lines))
    found = split(document, maps.partner.feeds[feed], maps.partner)
    return document.payload, [item for item in found if isinstance(item, SourceRecord) and _is_taken(item)]


def _is_taken(record: SourceRecord) -> bool:
    row = orjson.loads(record.payload)
    return str(row.get("VictimServiceProvider", "0")) == "0"


def main(records: int = 4000) -> None:
    files = read_tree(ROOT)
    maps = load_maps(files, shared_maps(files))
    print(f"{'source':<34}{'records':>12}{'resources':>14}   times the cost of")
    payload, clients = table("hmis_client", "fy2026.csv", records, maps)
    bare = {
        "csv": seconds(lambda: patients_by_script(payload)),
        "pandas": seconds(lambda: patients_by_pandas(payload)),
    }
    report(
        "HMIS clients", len(clients), seconds(lambda: checked(clients, maps)), checked(clients, maps), bare
    )
    for feed, sample in (
        ("screening_prapare", "screenings.csv"),
        ("screening_hunger_vital_sign", "screenings.csv"),
    ):
        _, rows = table(feed, sample, records // 4, maps)
        lines = [row.payload for row in rows]
        spent = {"json": seconds(lambda lines=lines: again(lines))}
        full = seconds(lambda rows=rows: checked(rows, maps))
        report(feed.replace("_", " "), len(rows), full, checked(rows, maps), spent)
    for feed in ("hsds", "fhir_r4"):
        partner = maps if feed == "hsds" else load_maps(files, load_partners(files)["prairie_clinic"])
        path = next((SAMPLES / feed).iterdir())
        name = feed if feed == "hsds" else next(iter(partner.partner.feeds))
        document = Document(name, path.name, path.read_bytes())
        pieces = [
            i
            for i in split(document, partner.partner.feeds[name], partner.partner)
            if isinstance(i, SourceRecord)
        ]
        repeated = pieces * (records // len(pieces) // 4)
        lines = [piece.payload for piece in repeated]
        spent = {"json": seconds(lambda lines=lines: again(lines))}
        full = seconds(lambda repeated=repeated, partner=partner: checked(repeated, partner))
        report(
            {"hsds": "HSDS services", "fhir_r4": "FHIR R4 resources"}[feed],
            len(repeated),
            full,
            checked(repeated, partner),
            spent,
        )


if __name__ == "__main__":
    print(machine.line())
    main(*map(int, sys.argv[1:2]))

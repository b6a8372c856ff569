"""How many records of each format become checked FHIR in a second, beside what others take for less.

`python benchmarks/mapping.py [seconds]`; one line for each other way to read the same records: its records
per second of CPU time, and how many it reads while we make one. None of them makes checked FHIR: the parsers
make nothing, the scripts a resource without codes, checks or lineage. `fhir.resources` only validates and
writes what our maps made. Ours and theirs take turns, each for so many seconds, and the best turn counts.
"""

from __future__ import annotations

import gc
import io
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from xml.etree import ElementTree

import machine
import orjson
from fhir.resources.R4B import get_fhir_model_class
from lxml import etree
from mapping_ccda import BODY, END
from mapping_hl7v2 import by_hl7, by_hl7apy, cut, of_a_hospital
from mapping_tables import again, many, patients_by_pandas, patients_by_script
from pyx12.x12file import X12Reader

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.content import load_partners, read_tree
from exchange.formats import split
from exchange.mapping import Maps, load_maps
from exchange.mapping.golden import shared_maps
from exchange.model.records import Document, Resource, SourceRecord
from exchange.pipeline.map import map_sources

ROOT = Path(__file__).parents[1] / "mappings"
SAMPLES = ROOT / "_shared" / "samples"
CHUNK, TURNS = 250, 5
Work = Callable[[Sequence[bytes]], object]


def checked(records: Sequence[SourceRecord], maps: Maps) -> list[Resource]:
    """What records become, each resource checked, as in a run."""
    found = map_sources(records, maps, [()] * len(records))
    return [resource for mapped, _ in found for resource in mapped.resources]


def by_models(resources: list[Resource]) -> Work:
    """fhir.resources validating and writing what the records became."""

    def work(_payloads: Sequence[bytes]) -> None:
        for resource in resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource).model_dump_json()

    return work


def each(parse: Callable[[bytes], object]) -> Work:
    def work(payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            parse(payload)

    return work


def spent(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def compare(name: str, records: list[SourceRecord], maps: Maps, others: dict[str, Work], most: float) -> None:
    """Prints a line for each other way; chunks of records, each once while they last, are read in turns."""
    chunks = cycle([records[at : at + CHUNK] for at in range(0, len(records), CHUNK)])
    made = checked(records[:CHUNK], maps)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {other: [] for other in others}
    others = {**others, "fhir.resources, FHIR made by us": by_models(made)}
    theirs["fhir.resources, FHIR made by us"] = []
    for chunk in islice(chunks, TURNS):
        ours.append(spent(lambda chunk=chunk: checked(chunk, maps)) / len(chunk))
        for other, work in others.items():
            part = chunk if other.startswith("fhir.") else _within(work, chunk, most)
            payloads = [record.payload for record in part]
            theirs[other].append(spent(lambda work=work, payloads=payloads: work(payloads)) / len(part))
    best = min(ours)
    print(f"{name:<22}{1 / best:>10,.0f}/s{len(made) / len(records[:CHUNK]) / best:>10,.0f}/s")
    for other, times in theirs.items():
        print(f"{'':<22}{'':>12}{'':>12}   {other:<34}{1 / min(times):>10,.0f}/s{best / min(times):>10.2f}")


def _within(work: Work, chunk: list[SourceRecord], most: float) -> list[SourceRecord]:
    """As many records as another takes no longer for than `most` seconds."""
    once = spent(lambda: work([chunk[0].payload]))
    return chunk[: max(1, int(most / max(once, 1e-6)))]


def pieces(feed: str, name: str, payload: bytes, maps: Maps) -> list[SourceRecord]:
    found = split(Document(feed, name, payload), maps.partner.feeds[feed], maps.partner)
    return [piece for piece in found if isinstance(piece, SourceRecord)]


def x12_by_pyx12(payload: bytes) -> int:
    return sum(1 for _ in X12Reader(io.StringIO(payload.decode())))


def tables(read: Callable[[bytes], object], header: bytes) -> Work:
    """A script that reads tables is given the rows in one, as it would be in a file."""
    columns = header.split(b",")

    def work(payloads: Sequence[bytes]) -> None:
        rows = [orjson.loads(payload) for payload in payloads]
        lines = [b",".join(str(row.get(name.decode(), "")).encode() for name in columns) for row in rows]
        read(b"\n".join([header, *lines]))

    return work


def documents() -> list[bytes]:
    folder = ROOT / "willow_nursing" / "samples" / "documents"
    texts = [path.read_bytes() for path in sorted(folder.glob("*"))]
    return [text for text in texts if BODY in text and END in text]


def main(seconds: float = 0.3) -> None:
    files = read_tree(ROOT)
    partners = load_partners(files)
    shared = load_maps(files, shared_maps(files))
    hospital, nursing, clinic = (
        load_maps(files, partners[code]) for code in ("lakeside_hospital", "willow_nursing", "prairie_clinic")
    )
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)  # as the exchange's own processes do
    heads = f"{'records of':<22}{'records':>12}{'resources':>12}   {'another way':<34}"
    print(f"{heads}{'records':>12}{'to our 1':>10}")

    sent = [
        SourceRecord("lakeside_hospital", "messages", "key", "hl7v2", message, "message", False)
        for message in of_a_hospital(600)
    ]
    checked(sent[:CHUNK], hospital)
    readers = {"cut at delimiters": each(cut), "hl7, parsed": each(by_hl7), "hl7apy, parsed": each(by_hl7apy)}
    compare("HL7 v2, each once", sent[CHUNK:], hospital, readers, seconds)

    parsers = {"lxml, parsed": each(etree.fromstring), "ElementTree, parsed": each(ElementTree.fromstring)}
    texts = [
        SourceRecord("willow_nursing", "documents", "key", "ccda", text, "document", False)
        for text in documents() * 8
    ]
    compare("C-CDA", texts, nursing, parsers, seconds)

    path = SAMPLES / "hmis_client" / "fy2026.csv"
    payload = many(path, CHUNK * TURNS)
    rows = [
        record
        for record in pieces("hmis_client", path.name, payload, shared)
        if str(orjson.loads(record.payload).get("VictimServiceProvider", "0")) == "0"
    ]
    header = payload.partition(b"\n")[0].strip()
    scripts = {
        "csv and a dict": tables(patients_by_script, header),
        "pandas and a dict": tables(patients_by_pandas, header),
    }
    compare("delimited (HMIS)", rows, shared, scripts, seconds)

    read_again: dict[str, Work] = {"JSON read and written": again}
    for name, feed, maps in (("FHIR R4", next(iter(clinic.partner.feeds)), clinic), ("HSDS", "hsds", shared)):
        path = next((SAMPLES / ("hsds" if feed == "hsds" else "fhir_r4")).iterdir())
        found = pieces(feed, path.name, path.read_bytes(), maps)
        compare(name, found * (CHUNK // len(found) + 1), maps, read_again, seconds)

    claims, files_of = [], []
    for path in sorted((SAMPLES / "x12").iterdir()):
        claims += pieces("x12", path.name, path.read_bytes(), shared)
        files_of.append(path.read_bytes())
    share = len(claims) / len(files_of)
    compare("X12", claims * (CHUNK // len(claims) + 1), shared, read_again, seconds)
    cost = spent(lambda: [x12_by_pyx12(text) for text in files_of * 20]) / len(files_of) / 20 / share
    print(f"{'':<22}{'':>12}{'':>12}   {'pyx12, segments of a claim':<34}{1 / cost:>10,.0f}/s")


if __name__ == "__main__":
    print(machine.line())
    main(*map(float, sys.argv[1:2]))

"""How fast C-CDA documents become checked FHIR, against lxml only parsing the same bytes.

`python benchmarks/mapping_ccda.py [rounds]`; prints documents and resources per second of CPU time for each
sample, and for all statements of the samples in one large document, and how many times the parsing costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
from lxml import etree

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.content import load_partners, read_tree
from exchange.mapping import Maps, load_maps, map_record
from exchange.model.records import SourceRecord
from exchange.validation import validate

ROOT = Path(__file__).parents[1] / "mappings"
PARTNER, FEED = "willow_nursing", "documents"
BODY, END = b"<structuredBody>", b"</structuredBody>"


def checked(document: bytes, maps: Maps) -> int:
    """The number of resources that the document becomes, each checked."""
    found = map_record(SourceRecord(PARTNER, FEED, "key", "ccda", document, "sample", False), maps)
    for resource in found.resources:
        validate(resource)
    return len(found.resources)


def rate(document: bytes, rounds: int, work: Callable[[bytes], object]) -> float:
    """Documents per second of CPU time."""
    work(document)
    started = time.process_time()
    for _ in range(rounds):
        work(document)
    return rounds / (time.process_time() - started)


def large(documents: list[bytes]) -> bytes:
    """The sections of all documents under the header of the first."""
    sections = b"".join(each.partition(BODY)[2].partition(END)[0] for each in documents)
    head, _, tail = documents[0].partition(BODY)
    return head + BODY + sections + END + tail.partition(END)[2]


def main(rounds: int = 30) -> None:
    files = read_tree(ROOT)
    maps = load_maps(files, load_partners(files)[PARTNER])
    samples = {path.stem: path.read_bytes() for path in sorted((ROOT / PARTNER / "samples" / FEED).glob("*"))}
    whole = {name: text for name, text in samples.items() if BODY in text and END in text}
    whole["all of them in one"] = large(list(whole.values()))
    print(f"{'document':<36}{'kB':>6}{'parse only':>12}{'checked FHIR':>14}{'resources':>12}{'times':>8}")
    for name, text in whole.items():
        bare, full = rate(text, rounds, etree.fromstring), rate(text, rounds, lambda it: checked(it, maps))
        made = full * checked(text, maps)
        size = len(text) / 1000
        print(f"{name:<36}{size:>6.0f}{bare:>10,.0f}/s{full:>12,.0f}/s{made:>10,.0f}/s{bare / full:>8.1f}")


if __name__ == "__main__":
    print(machine.line())
    main(*map(int, sys.argv[1:2]))

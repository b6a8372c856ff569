"""How fast HL7 v2 messages become checked FHIR, against parsing alone with str.split.

`python benchmarks/mapping_hl7v2.py [rounds]`; prints messages per second of CPU time for each sample and how
many times the bare cut into segments, fields and components costs (the least any reader of HL7 v2 has to do).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.content import load_partners, read_tree
from exchange.formats.hl7v2_batch import messages
from exchange.mapping import Maps, load_maps, map_record
from exchange.model.errors import RecordRejected
from exchange.model.records import SourceRecord
from exchange.validation import validate

ROOT = Path(__file__).parents[1] / "mappings"
PARTNER, FEED = "lakeside_hospital", "messages"


def cut(message: bytes) -> list[list[list[str]]]:
    """Segments, fields and components, nothing more: the baseline."""
    lines = message.decode("utf-8", "replace").replace("\n", "\r").split("\r")
    return [[field.split("^") for field in line.split("|")] for line in lines]


def checked(message: bytes, maps: Maps) -> int:
    """The number of error findings of what the message becomes."""
    record = SourceRecord(PARTNER, FEED, "key", "hl7v2", message, "sample", False)
    try:
        found = map_record(record, maps)
    except RecordRejected:
        return 0
    return sum(issue.severity == "error" for resource in found.resources for issue in validate(resource))


def rate(batch: list[bytes], rounds: int, work: Callable[[bytes], object]) -> float:
    """Messages per second of CPU time."""
    for message in batch:
        work(message)
    started = time.process_time()
    for _ in range(rounds):
        for message in batch:
            work(message)
    return rounds * len(batch) / (time.process_time() - started)


def main(rounds: int = 300) -> None:
    files = read_tree(ROOT)
    maps = load_maps(files, load_partners(files)[PARTNER])
    print(f"{'sample':<36}{'cut only':>12}{'checked FHIR':>14}{'times':>8}")
    for sample in sorted((ROOT / PARTNER / "samples" / FEED).glob("*.hl7")):
        batch = [message for _, message in messages(sample.read_bytes())]
        bare = rate(batch, rounds, cut)
        full = rate(batch, rounds, lambda message: checked(message, maps))
        print(f"{sample.stem:<36}{bare:>10,.0f}/s{full:>12,.0f}/s{bare / full:>8.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

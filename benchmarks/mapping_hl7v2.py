"""How fast HL7 v2 messages become checked FHIR, against other readers that only parse them.

`python benchmarks/mapping_hl7v2.py [rounds]`; messages per second of CPU time, the best of five rounds, for
the bare cut into fields and components (the least any reader has to do), our map and check, and the parsers
hl7 and hl7apy (which make no FHIR); `x hl7apy`: how many times faster we are. Samples come again and again,
so that maps remember all of them: the last line is what counts, messages of a synthetic hospital, each once.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import hl7
import machine
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.content import load_partners, read_tree
from exchange.formats.hl7v2_batch import messages
from exchange.mapping import Maps, load_maps
from exchange.model.records import SourceRecord
from exchange.pipeline.map import map_sources
from exchange.synthetic import generate
from exchange.synthetic.day import write_day

ROOT = Path(__file__).parents[1] / "mappings"
PARTNER, FEED = "lakeside_hospital", "messages"
BEST_OF = 5
CHUNK = 2000
"""As many as a run maps at once."""


def cut(message: bytes) -> list[list[list[str]]]:
    """Segments, fields and components, nothing more: the baseline."""
    lines = message.decode("utf-8", "replace").replace("\n", "\r").split("\r")
    return [[field.split("^") for field in line.split("|")] for line in lines]


def parsed_by(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Another's parser; what it cannot read, it need not."""

    def parsed(message: bytes) -> None:
        with suppress(IndexError, ValueError, HL7apyException):
            parse(message.decode("utf-8", "replace").replace("\n", "\r"))

    return parsed


by_hl7 = parsed_by(hl7.parse)
by_hl7apy = parsed_by(partial(parse_message, find_groups=False))


def of_a_hospital(people: int = 4000) -> list[bytes]:
    """What a synthetic hospital sends of its patients, each message once."""
    with TemporaryDirectory() as folder:
        write_day(generate(people), Path(folder), 1)
        sent = b"".join(path.read_bytes() for path in sorted(Path(folder).rglob("*.mllp")))
    return [block.partition(b"\x1c")[0] for block in sent.split(b"\x0b") if block]


def once(batch: list[bytes], maps: Maps) -> tuple[float, float]:
    """Messages per second of CPU time where each comes once, and for the bare cut of the same ones.

    In chunks as in a run, of which the first warms up; the median of the others counts.
    """
    full, bare = [], []
    for start in range(0, len(batch), CHUNK):
        chunk = batch[start : start + CHUNK]
        started = time.process_time()
        checked(chunk, maps)
        full.append(len(chunk) / (time.process_time() - started))
        started = time.process_time()
        for message in chunk:
            cut(message)
        bare.append(len(chunk) / (time.process_time() - started))
    return median(full[1:]), median(bare[1:])


def checked(batch: list[bytes], maps: Maps) -> int:
    """The number of resources that messages become together, as in a run, that are good FHIR."""
    records = [SourceRecord(PARTNER, FEED, "key", "hl7v2", each, "sample", False) for each in batch]
    found = map_sources(records, maps, [()] * len(records))
    return sum(len(mapped.resources) for mapped, _ in found)


def rate(batch: list[bytes], rounds: int, work: Callable[[list[bytes]], object]) -> float:
    """Messages per second of CPU time."""
    work(batch)
    best = float("inf")
    for _ in range(BEST_OF):
        started = time.process_time()
        for _ in range(rounds):
            work(batch)
        best = min(best, time.process_time() - started)
    return rounds * len(batch) / best


def each(work: Callable[[bytes], object]) -> Callable[[list[bytes]], object]:
    return lambda batch: [work(message) for message in batch]


def line(name: str, batch: list[bytes], maps: Maps, rounds: int) -> str:
    made = checked(batch, maps) / len(batch)
    bare = rate(batch, rounds, each(cut))
    full = rate(batch, rounds, lambda batch: checked(batch, maps))
    other, slow = rate(batch, max(1, rounds // 20), each(by_hl7)), rate(batch, 1, each(by_hl7apy))
    figures = f"{bare:>10,.0f}/s{full:>12,.0f}/s{made:>8.1f}{full * made:>12,.0f}/s{bare / full:>8.0f}"
    return f"{name:<34}{figures}{other:>10,.0f}/s{slow:>8,.0f}/s{full / slow:>9.0f}"


def main(rounds: int = 60) -> None:
    files = read_tree(ROOT)
    maps = load_maps(files, load_partners(files)[PARTNER])
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)  # as the exchange's own processes do
    print(
        f"{'sample':<34}{'cut only':>12}{'checked':>14}{'makes':>8}{'resources':>14}{'x cut':>8}"
        f"{'hl7':>12}{'hl7apy':>10}{'x hl7apy':>9}"
    )
    mix: list[bytes] = []
    for sample in sorted((ROOT / PARTNER / "samples" / FEED).glob("*.hl7")):
        batch = [message for _, message in messages(sample.read_bytes())]
        mix += batch
        print(line(sample.stem, batch, maps, rounds))
    print(line("all of them", mix, maps, rounds // 4))
    batch = of_a_hospital()
    full, bare = once(batch, maps)
    name = f"{len(batch):,} messages, each once"
    print(f"{name:<34}{bare:>10,.0f}/s{full:>12,.0f}/s{'':>22}{bare / full:>8.0f}")


if __name__ == "__main__":
    print(machine.line())
    main(*map(int, sys.argv[1:2]))

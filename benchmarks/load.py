"""What a load costs, step by step: processor time per resource of this process and of PostgreSQL's.

`python benchmarks/load.py [copies] [folder]` takes a folder of Synthea's transaction Bundles (default: a set
beside the project), or people with twenty results each where there is none, from NDJSON files to queryable;
every copy are other people, treated by the same staff. Processor time, because what else the machine does
would weigh on any other; `linear.py` measures whole runs by the clock.
"""

from __future__ import annotations

import gzip
import os
import re
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from hashlib import blake2b
from itertools import count, islice, product
from pathlib import Path

import machine
import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchange.app import Exchange, open_exchange
from exchange.model.partner import Partner
from exchange.pipeline import steps
from exchange.pipeline.work import Work, lasting
from exchange.repository.database import embedded
from exchange.settings import load_settings
from tests.pipeline.coalition import CLINIC, make_home, observation, patient

SHARED = Path(os.environ.get("EXCHANGE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
CHUNK, FILE = 10_000, 20_000
_TICK = os.sysconf("SC_CLK_TCK")


def synthea(folder: Path) -> Iterator[bytes]:
    """Lines of each Bundle's resources, which refer to each other as a server's would."""
    for path in sorted(folder.glob("*.json.gz")):
        entries = orjson.loads(gzip.decompress(path.read_bytes()))["entry"]
        kinds = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries}
        for entry in entries:
            parts = re.split(r"(urn:uuid:[0-9a-f-]{36})", orjson.dumps(entry["resource"]).decode())
            yield "".join(kinds.get(part, part) for part in parts).encode()


def invented(people: int = 2000) -> Iterator[bytes]:
    yield from (orjson.dumps(patient(n)) for n in range(people))
    yield from (orjson.dumps(observation(n, of=n % people)) for n in range(people * 20))


_SHARED = (b"Organization", b"Location", b"Practitioner")
_ID = re.compile(rb"(?<!Organization/)(?<!Location/)(?<!Practitioner/)\b([0-9a-f]{8})((?:-[0-9a-f]{4}){3}-)")
_NAME = re.compile(rb'(?<="family":")[^"]+|(?<="given":\[")[^"]+')
_OWN = re.compile(rb'(?<="value":")[^"]+|(?<="line":\[")[^"]+')
_BORN = re.compile(rb'(?<="birthDate":")[0-9-]+')
_SYLLABLES = [b"%c%c" % pair for pair in product(b"bdfgklmnprstvz", b"aeiou")]


def copied(lines: list[bytes], copy: int) -> Iterator[bytes]:
    """The same said of other people: ids, names, birthdays, homes and numbers are their own."""
    for line in lines:
        changed = _ID.sub(partial(_of_copy, copy), line)
        if line.startswith(b'{"resourceType":"Patient"'):
            changed = _NAME.sub(partial(_named, copy), changed)
            changed = _OWN.sub(rb"%d\g<0>" % copy, changed)
            changed = _BORN.sub(partial(_born, copy), changed)
        yield changed


def _of_copy(copy: int, match: re.Match[bytes]) -> bytes:
    return b"%08x" % (int(match[1], 16) ^ copy) + match[2]


def _named(copy: int, match: re.Match[bytes]) -> bytes:
    drawn = blake2b(b"%d %b" % (copy, match[0]), digest_size=4).digest()
    return b"".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in drawn).capitalize()


def _born(copy: int, match: re.Match[bytes]) -> bytes:
    return str(date.fromisoformat(match[0].decode()) - timedelta(days=copy * 89 % 365)).encode()


def _all_of(kind: bytes, lines: list[bytes], copies: int) -> Iterator[bytes]:
    """Places and staff are the same for everybody, else none would be anything like a coalition's."""
    yield from lines
    if kind not in _SHARED:
        for copy in range(1, copies):
            yield from copied(lines, copy)


def write(folder: Path, lines: list[bytes], copies: int) -> int:
    """One folder of files, type by type, as an export is written; no more than a file is held at a time."""
    by_type = defaultdict[bytes, list[bytes]](list)
    for line in lines:
        by_type[line[17 : line.index(b'"', 17)]].append(line)
    folder.mkdir(parents=True)
    order = [*_SHARED, b"Patient", b"Encounter"]
    written = 0
    for place, kind in enumerate(sorted(by_type, key=lambda k: (order.index(k) if k in order else 99, k))):
        every = _all_of(kind, by_type[kind], copies)
        for start in count(0, FILE):
            part = list(islice(every, FILE))
            if not part:
                break
            (folder / f"{place:02}-{kind.decode()}-{start:08}.ndjson").write_bytes(b"\n".join(part))
            written += len(part)
    return written


class Spent:
    """Processor seconds by step, of this process and its children, and of the server."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self.steps = defaultdict[str, list[float]](lambda: [0.0, 0.0, 0.0])

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        before, started = (own_seconds(), server_seconds(self._postmaster)), time.perf_counter()
        yield
        found = self.steps[step]
        found[0] += own_seconds() - before[0]
        found[1] += server_seconds(self._postmaster) - before[1]
        found[2] += time.perf_counter() - started


def own_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def server_seconds(postmaster: int) -> float:
    """Of those that ended, and of those that live; again when one of them ended meanwhile."""
    while True:
        ended = sum(_stat(postmaster)[13:17])
        living = 0
        for folder in Path("/proc").glob("[0-9]*"):
            fields = _stat(int(folder.name))
            if fields and fields[3] == postmaster:
                living += sum(fields[13:15])
        if ended == sum(_stat(postmaster)[13:17]):
            return (ended + living) / _TICK


def _stat(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return [0, 0, 0, *map(int, text.rpartition(")")[2].split()[1:])]


def load(opened: Exchange, spent: Spent) -> None:
    """As `run_partner` does, each step by itself and all in this process."""
    with lasting(opened.work) as work:
        _taken(work, opened.partners["elm_clinic"], spent)


def _taken(work: Work, partner: Partner, spent: Spent) -> None:
    with spent.on("pull"):
        run = steps.pull_step(work, partner)
    each: dict[steps.Step, Callable[..., None]] = {
        "safeguarded": steps.prepare_step,
        "linked": steps.link_step,
        "published": steps.publish_step,
    }
    for step, take in each.items():
        for chunk in steps.waiting_chunks(work, run, step):
            with spent.on(step):
                take(work, partner, run, chunk)
    with spent.on("close"):
        steps.close_step(work, run)


def prepared(folder: Path) -> Exchange:
    records = folder / "records"
    make_home(folder, records)
    yaml = folder / "mappings" / "elm_clinic" / "partner.yaml"
    yaml.write_text(CLINIC.format(folder=records).replace("chunk_records: 40\n", f"chunk_records: {CHUNK}\n"))
    return open_exchange(load_settings({"EXCHANGE_HOME": str(folder), "EXCHANGE_DATA": str(folder / "data")}))


def report(spent: Spent, resources: int, opened: Exchange) -> None:
    total = [0.0, 0.0, 0.0]
    for step, found in spent.steps.items():
        total = [a + b for a, b in zip(total, found, strict=True)]
        print(f"{step:12} {_per(found, resources)}")
    print(f"{'sum':12} {_per(total, resources)}")
    print(f"{2 * resources / sum(total[:2]):,.0f} resources/s if two cores never waited for each other")
    with opened.work.connect() as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        counts = connection.execute(
            "SELECT outcome, sum(resources) FROM resource_balance GROUP BY 1"
        ).fetchall()
    print(f"{size / resources:,.0f} bytes of database per resource; {dict(counts)}")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB in this process")


def _per(found: list[float], resources: int) -> str:
    own, server, wall = (1e6 * seconds / resources for seconds in found)
    return f"{own + server:6.1f} us = {own:6.1f} here + {server:6.1f} in the server (wall {wall:6.1f})"


def main(copies: int, source: Path) -> None:
    lines = list(synthea(source) if source.is_dir() else invented())
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        folder = Path(name)
        resources = write(folder / "records", lines, copies)
        print(f"{resources} resources of {sum(map(len, lines)) / len(lines):,.0f} bytes each")
        try:
            opened = prepared(folder)
            postmaster = int((folder / "data/postgres/data/postmaster.pid").read_text().split()[0])
            spent = Spent(postmaster)
            load(opened, spent)
            report(spent, resources, opened)
        finally:
            embedded.stop(folder / "data" / "postgres")


if __name__ == "__main__":
    print(machine.line())
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1,
        Path(sys.argv[2]) if len(sys.argv) > 2 else SHARED / "synthea_fhir_smart150",
    )

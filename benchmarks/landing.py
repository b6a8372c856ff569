"""How fast raw payloads are sealed, kept and read back, and how fast HL7 v2 messages are acknowledged.

`python benchmarks/landing.py [records]`; prints one line per measurement, each as a rate and as a share
of what AES-256-GCM or the disk alone would allow on this machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "connectors"))

from listener_process import process
from sender import Sender, message

from exchange.connectors.journal import read_journal
from exchange.connectors.mllp import spool_folder
from exchange.crypto import Keyring, encrypt, new_data_key
from exchange.landing import Landing

RING = Keyring.generate()
PACK = 5000


def rate(count: int, work: Callable[[], object]) -> float:
    """Items per second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def say(name: str, found: float, bound: float) -> None:
    print(f"{name:<44}{found:>12,.0f} /s {found / bound:>8.0%}")


def sealing(payloads: Sequence[bytes]) -> float:
    key = new_data_key()
    return rate(len(payloads), lambda: [encrypt(payload, key, b"context") for payload in payloads])


def syncing(folder: Path, count: int = 200) -> float:
    with (folder / "syncs").open("wb", buffering=0) as file:

        def each() -> None:
            for _ in range(count):
                file.write(bytes(700))
                os.fdatasync(file.fileno())

        return rate(count, each)


def landing(folder: Path, payloads: Sequence[bytes], bound: float) -> None:
    store, addresses = Landing(folder.as_uri(), RING), list[str]()
    packs = [payloads[at : at + PACK] for at in range(0, len(payloads), PACK)]

    def put() -> None:
        for pack in packs:
            addresses.extend(store.put("clinic", pack))

    say("landing: put", rate(len(payloads), put), bound)
    reader = Landing(folder.as_uri(), RING)
    say("landing: get many", rate(len(payloads), lambda: reader.get_many(addresses)), bound)
    some = addresses[:: max(1, len(addresses) // 2000)]
    say("landing: get one by one", rate(len(some), lambda: [reader.get(one) for one in some]), bound)


def listener(folder: Path, messages: Sequence[bytes], sealed: float, synced: float) -> None:
    few = messages[:2000]
    with process(folder, RING) as (_, port), Sender(port) as sender:

        def ahead() -> None:
            sender.send(*messages)
            sender.answers(len(messages))

        say("listener: sent ahead, of sealing", rate(len(messages), ahead), sealed)
        say("listener: one by one, of the disk's syncs", rate(len(few), lambda: sender.exchange(few)), synced)
    journal = spool_folder(folder, "lake")
    kept = len(messages) + len(few)
    say("journal: read", rate(kept, lambda: sum(1 for _ in read_journal(journal, RING))), sealed)


def main(records: int) -> None:
    messages = [message(f"M{number}", "^" * 500) for number in range(records)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sealed, synced = sealing(messages), syncing(folder)
        say("AES-256-GCM alone", sealed, sealed)
        say("fdatasync alone", synced, synced)
        landing(folder / "landing", messages, sealed)
        listener(folder, messages, sealed, synced)


if __name__ == "__main__":
    print(machine.line())
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)

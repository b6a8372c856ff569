"""What the audit log rightly lacks: signed tombstones in the place of records whose time is over.

A tombstone stands for the records of one seal. Their root and the end of their chain are in the seal; the
hashes of all of them are kept while some are held, so that those can be proved still.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from exchange.audit.chain import READABLE, Seal, hashes_between
from exchange.audit.merkle import root
from exchange.crypto.sign import verify as signed_by

YEARS = 6
"""From the last record under a seal: 45 CFR 164.316(b)(2)(i) and 164.528(a)(1)."""

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Of the records `first` to `last` only those of `kept` are there; `hashes` of all, 32 bytes each."""

    first: int
    last: int
    root: bytes
    kept: tuple[int, ...]
    hashes: bytes | None
    pruned: datetime
    signature: bytes = b""

    def leaves(self) -> list[bytes]:
        """Hashes of the records in order; none when no record is kept."""
        held = self.hashes or b""
        return [held[i : i + _HASH_BYTES] for i in range(0, len(held), _HASH_BYTES)]


def statement(stone: Tombstone) -> bytes:
    """What the signature covers; the hashes are covered by the root."""
    instant = stone.pruned.astimezone(UTC).isoformat(timespec="microseconds")
    kept = ",".join(map(str, stone.kept))
    lines = ["mosaic-exchange audit tombstone", stone.first, stone.last, stone.root.hex(), kept, instant]
    return "".join(f"{line}\n" for line in lines).encode()


def time_is_over(sealed: datetime, years: int) -> datetime:
    """From when on records under a seal of that time may go.

    >>> time_is_over(datetime(2020, 2, 29), 6)
    datetime.datetime(2026, 3, 1, 0, 0)
    """
    try:
        return sealed.replace(year=sealed.year + years)
    except ValueError:  # 29 February
        return sealed.replace(year=sealed.year + years, month=3, day=1)


_COLUMNS = f"first, last, root, kept, hashes, {READABLE.format('pruned')}, signature"


def read_tombstones(conn: psycopg.Connection[Any]) -> list[Tombstone]:
    """The newest of each seal, in order."""
    rows = conn.execute(
        f"SELECT DISTINCT ON (first) {_COLUMNS} FROM audit_tombstone t ORDER BY first, t.pruned DESC"
    ).fetchall()
    return [_tombstone(*row) for row in rows]


def tombstone_of(conn: psycopg.Connection[Any], first: int) -> Tombstone | None:
    """The newest of the seal whose first record that is."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM audit_tombstone t WHERE first = %s ORDER BY t.pruned DESC LIMIT 1",
        (first,),
    ).fetchone()
    return _tombstone(*row) if row else None


def _tombstone(
    first: int,
    last: int,
    root: bytes,
    kept: list[int],
    hashes: bytes | None,
    pruned: datetime,
    signature: bytes,
) -> Tombstone:
    return Tombstone(first, last, root, tuple(kept), hashes, pruned, signature)


def leaves_of(conn: psycopg.Connection[Any], first: int, last: int) -> list[bytes]:
    """The leaves of a seal's tree, whether its records are all there or some were pruned."""
    stone = tombstone_of(conn, first)
    return stone.leaves() if stone else hashes_between(conn, first, last)


def flaw(stone: Tombstone, seals: Iterable[Seal], public_key: str) -> str | None:
    """Why a tombstone is not to be believed; None when it is."""
    seal = next(
        (s for s in seals if (s.first, s.sequence, s.root) == (stone.first, stone.last, stone.root)), None
    )
    if not signed_by(statement(stone), stone.signature, public_key):
        return "the signature of the tombstone is not ours"
    if seal is None:
        return "the tombstone is of records that were not sealed so"
    if time_is_over(seal.sealed, YEARS) > stone.pruned:
        return "the tombstone was made before the time of its records was over"
    if stone.kept and root(stone.leaves()) != stone.root:
        return "the tombstone's hashes are of other records"
    return None


class Pruned:
    """Tombstones that are believed, by the numbers of their records; `ends`: hash by number of each seal."""

    def __init__(self, stones: Sequence[Tombstone], ends: Mapping[int, bytes]) -> None:
        self._stones = sorted(stones, key=lambda stone: stone.first)
        self._firsts = [stone.first for stone in self._stones]
        self._ends = ends

    def over(self, sequence: int) -> Tombstone | None:
        """The tombstone of the record's seal."""
        found = bisect_right(self._firsts, sequence) - 1
        stone = self._stones[found] if found >= 0 else None
        return stone if stone and sequence <= stone.last else None

    def lacks(self, sequence: int) -> bool:
        """Whether the record is rightly gone."""
        stone = self.over(sequence)
        return stone is not None and sequence not in stone.kept

    def hash_at(self, sequence: int) -> bytes | None:
        """The hash a record was sealed with, where a tombstone still tells."""
        stone = self.over(sequence)
        if stone is None:
            return None
        if stone.kept:
            return stone.leaves()[sequence - stone.first]
        return self._ends.get(sequence) if sequence == stone.last else None

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Of a gap in the log, the parts that no tombstone accounts for."""
        at = first
        start = max(bisect_right(self._firsts, first) - 1, 0)
        for stone in self._stones[start:]:
            if stone.first > last:
                break
            if stone.last < at:
                continue
            if stone.first > at:
                yield at, stone.first - 1
            yield from ((number, number) for number in stone.kept if at <= number <= last)
            at = stone.last + 1
        if at <= last:
            yield at, last

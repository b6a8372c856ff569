"""Proves that the audit log is as it was written, or names what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.rows import class_row

from exchange.audit.chain import (
    GENESIS,
    Seal,
    hashes_between,
    link,
    read_anchor,
    read_seals,
    statement,
)
from exchange.audit.merkle import root
from exchange.audit.tombstones import Pruned, flaw, read_tombstones
from exchange.crypto.sign import verify as signed_by

# Broken records compared with one another to tell moved from changed ones.
_COMPARED = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """Records `sequence` to `last` (`anchor`: lines of the file) are not as written; `detail`: what shows."""

    kind: Literal["changed", "removed", "inserted", "reordered", "rewritten", "seal", "anchor"]
    sequence: int
    last: int
    detail: str


@dataclass(frozen=True, slots=True)
class _Row:
    sequence: int
    kind: str
    participant: str | None
    patient: str | None
    body: str
    previous: bytes
    hash: bytes

    @property
    def content(self) -> tuple[str | None, ...]:
        return self.kind, self.participant, self.patient, self.body


@dataclass(frozen=True, slots=True)
class _End:
    sequence: int
    hash: bytes


def verify(conn: psycopg.Connection, public_key: str, anchor: Path | None = None) -> list[Finding]:
    """Everything that is not as it was written, in order; an empty list is the proof.

    `conn` must be idle: one snapshot is read. A chain rewritten with fitting hashes shows at the first seal
    that no longer fits, seals removed or forged show against the lines of `anchor`, which must be there.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        anchored = read_anchor(anchor) if anchor else None
        outside = anchored.seals if anchored else None
        pruned, findings = _believed(conn, public_key, outside or ())
        broken: list[_Row] = []
        findings += _walk(conn, broken, pruned)
        findings += _name(broken)
        findings += _check_seals(conn, public_key, outside, pruned, bool(findings))
    findings += [
        Finding("anchor", number, number, "this line of the anchor file is no seal of the log")
        for number in (anchored.broken if anchored else ())
    ]
    return sorted(_merged(findings), key=lambda finding: (finding.sequence, finding.kind))


def _believed(
    conn: psycopg.Connection, public_key: str, anchored: Sequence[Seal]
) -> tuple[Pruned, list[Finding]]:
    """The tombstones that account for what is not there, and what is wrong with the others."""
    seals = [
        seal
        for seal in {*read_seals(conn), *anchored}
        if signed_by(statement(seal), seal.signature, public_key)
    ]
    flaws = [(stone, flaw(stone, seals, public_key)) for stone in read_tombstones(conn)]
    found = [Finding("seal", stone.first, stone.last, said) for stone, said in flaws if said]
    return Pruned([s for s, said in flaws if not said], {s.sequence: s.hash for s in seals}), found


def _walk(conn: psycopg.Connection, broken: list[_Row], pruned: Pruned) -> Iterator[Finding]:
    """Gaps, strangers and changes a successor shows; records not fitting their own hash go to `broken`."""
    end = _End(0, GENESIS)
    trusted = True
    for row in _rows(conn):
        # Nothing is written as an empty text, which has the hash of what is missing.
        fits = link(row.previous, row.sequence, row.content) == row.hash and row.participant != ""
        if row.sequence < 1:
            yield Finding("inserted", row.sequence, row.sequence, "records are numbered from 1")
            continue
        if pruned.lacks(row.sequence):
            yield Finding("inserted", row.sequence, row.sequence, "it was removed when its time was over")
            continue
        if row.sequence > end.sequence + 1:
            for first, last in pruned.missing(end.sequence + 1, row.sequence - 1):
                yield Finding("removed", first, last, "the numbers are missing")
            before = pruned.hash_at(row.sequence - 1)
            end, trusted = _End(row.sequence - 1, before or GENESIS), before is not None
        if fits and trusted and row.previous != end.hash:
            named = row.sequence if pruned.lacks(end.sequence) else end.sequence or 1
            yield Finding("changed", named, named, "its neighbour holds another hash of it")
        elif fits and (pruned.hash_at(row.sequence) or row.hash) != row.hash:
            yield Finding("changed", row.sequence, row.sequence, "its tombstone holds another hash of it")
        if not fits:
            broken.append(row if len(broken) < _COMPARED else replace(row, body=""))
        end, trusted = _End(row.sequence, row.hash), fits
    yield from _against_head(conn, end, trusted)


def _against_head(conn: psycopg.Connection, end: _End, trusted: bool) -> Iterator[Finding]:
    found = conn.execute("SELECT sequence, hash FROM audit_head").fetchone()
    head = _End(*found) if found else _End(0, GENESIS)
    if head.sequence > end.sequence:
        yield Finding("removed", end.sequence + 1, head.sequence, "the head of the chain knows them")
    elif head.sequence < end.sequence:
        yield Finding("inserted", head.sequence + 1, end.sequence, "the head of the chain does not know them")
    elif trusted and head.hash != end.hash:
        yield Finding("changed", end.sequence, end.sequence, "the head of the chain holds another hash of it")


def _rows(conn: psycopg.Connection) -> Iterator[_Row]:
    with conn.cursor(name="audit_walk", row_factory=class_row(_Row)) as cursor:
        cursor.itersize = 5000
        cursor.execute(
            "SELECT sequence, kind, participant, patient::text AS patient, body::text AS body, previous, hash"
            " FROM audit_event ORDER BY sequence"
        )
        yield from cursor


def _name(broken: Sequence[_Row]) -> list[Finding]:
    """Moved records by the place they were written at, the others as changed."""
    places = broken[:_COMPARED]
    moved = {row.sequence: _written_at(row, places) for row in places}
    return [
        Finding("reordered", row.sequence, row.sequence, f"it was written as {moved[row.sequence]}")
        if moved.get(row.sequence)
        else Finding("changed", row.sequence, row.sequence, "its content does not fit its hash")
        for row in broken
    ]


def _written_at(row: _Row, places: Sequence[_Row]) -> int | None:
    """The other place whose number, and whose or its own hashes, this record's content fits."""
    for place in places:
        if place.sequence == row.sequence:
            continue
        if link(row.previous, place.sequence, row.content) == row.hash:
            return place.sequence
        if link(place.previous, place.sequence, row.content) == place.hash:
            return place.sequence
    return None


def _check_seals(
    conn: psycopg.Connection,
    public_key: str,
    anchored: Sequence[Seal] | None,
    pruned: Pruned,
    named: bool,
) -> Iterator[Finding]:
    """`named`: the chain itself tells which records are not as they were; a tree would only say it again."""
    stored = read_seals(conn)
    seals = {*stored, *(anchored or ())}
    for seal in seals.difference(stored):
        yield Finding("seal", seal.sequence, seal.sequence, "the anchor file has a seal the database has not")
    # The newest one may be on its way to the file.
    for seal in set(stored[:-1]).difference(stored if anchored is None else anchored):
        yield Finding("seal", seal.sequence, seal.sequence, "the database has a seal the anchor file has not")
    fitted = 0
    for seal in sorted(seals, key=lambda seal: (seal.sequence, seal.sealed)):
        if not signed_by(statement(seal), seal.signature, public_key):
            yield Finding("seal", seal.sequence, seal.sequence, "the signature of the seal is not ours")
            continue
        found = pruned.hash_at(seal.sequence) or _hash_at(conn, seal.sequence)
        if found is None:
            yield Finding(
                "removed",
                _before(conn, seal.sequence) + 1,
                seal.sequence,
                "a seal was made when they were there",
            )
            return
        if found != seal.hash:
            yield Finding("rewritten", fitted + 1, seal.sequence, "the seal was made over another chain")
            return
        if named or seal.first is None or pruned.over(seal.sequence):  # a tombstone's root was checked
            fitted = seal.sequence
            continue
        if root(hashes_between(conn, seal.first, seal.sequence)) != seal.root:
            yield Finding("rewritten", seal.first, seal.sequence, "the seal's tree is of other records")
            return
        fitted = seal.sequence


def _hash_at(conn: psycopg.Connection, sequence: int) -> bytes | None:
    if sequence == 0:
        return GENESIS
    found = conn.execute("SELECT hash FROM audit_event WHERE sequence = %s", (sequence,)).fetchone()
    return bytes(found[0]) if found else None


def _before(conn: psycopg.Connection, sequence: int) -> int:
    """The nearest record below `sequence` that is still there."""
    found = conn.execute("SELECT max(sequence) FROM audit_event WHERE sequence < %s", (sequence,)).fetchone()
    return (found[0] if found else None) or 0


def _merged(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Neighbours with the same kind and detail become one finding."""
    ordered = sorted(findings, key=lambda finding: (finding.kind, finding.detail, finding.sequence))
    if not ordered:
        return
    current = ordered[0]
    for before, finding in pairwise(ordered):
        same = (before.kind, before.detail) == (finding.kind, finding.detail)
        if same and finding.sequence <= current.last + 1:
            current = replace(current, last=max(current.last, finding.last))
        else:
            yield current
            current = finding
    yield current

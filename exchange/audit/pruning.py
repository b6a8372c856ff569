"""Lets records of the log go whose time is over and that nobody holds; what proves them stays.

Nothing goes that is not as it was sealed: it would be the evidence of who changed it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from exchange.audit.chain import SEAL_READ, Seal, append, statement
from exchange.audit.merkle import root
from exchange.audit.officers import officer_entries
from exchange.audit.tombstones import YEARS, Tombstone, leaves_of, time_is_over
from exchange.audit.tombstones import statement as stone_statement
from exchange.crypto.sign import public_key, sign, verify
from exchange.model.errors import ContentError

_MOST_SEALS = 500

# Old enough (to the day; `time_is_over` says exactly), and something under it can go.
_DUE = f"""
SELECT {SEAL_READ} FROM audit_seal s
WHERE root IS NOT NULL AND sealed <= %(at)s - make_interval(years => %(years)s)
  AND EXISTS (SELECT FROM audit_event e
    WHERE e.sequence BETWEEN s.first AND s.sequence AND NOT audit_is_held(e))
ORDER BY sequence LIMIT {_MOST_SEALS}
"""


def prune(conn: psycopg.Connection, private_key: str, at: datetime, years: int = YEARS) -> list[Tombstone]:
    """Puts tombstones over what may go, some hundred seals at most, removes it and records that; commits.

    Raises ContentError for fewer years than the law asks for, and when what may go is not as it was sealed.
    """
    if years < YEARS:
        raise ContentError(f"the log of disclosures is kept for {YEARS} years at least", field="years")
    with conn.transaction():
        conn.execute("LOCK TABLE legal_hold, recall_task, access_watch, late_disclosure IN SHARE MODE")
        with conn.cursor(row_factory=class_row(Seal)) as cursor:
            due = cursor.execute(_DUE, {"at": at, "years": years}).fetchall()
        stones = [_prune(conn, s, private_key, at) for s in due if time_is_over(s.sealed, years) <= at]
        if stones:
            append(conn, officer_entries("log.pruned", "upkeep", _told(stones), [], at))
    return stones


def _told(stones: list[Tombstone]) -> str:
    kept = sum(len(stone.kept) for stone in stones)
    return f"records {stones[0].first} to {stones[-1].last}: their time was over; {kept} of them are held"


def _prune(conn: psycopg.Connection, seal: Seal, private_key: str, at: datetime) -> Tombstone:
    if seal.first is None or seal.root is None:
        raise AssertionError("a seal without a tree is not asked for")
    leaves = leaves_of(conn, seal.first, seal.sequence)
    signed = verify(statement(seal), seal.signature, public_key(private_key))
    if not signed or root(leaves) != seal.root or leaves[-1] != seal.hash:
        raise ContentError(
            f"records {seal.first} to {seal.sequence} are not as they were sealed, so none of them goes;"
            " name them: exchange audit verify"
        )
    kept = [
        row[0]
        for row in conn.execute(
            "SELECT e.sequence FROM audit_event e WHERE e.sequence BETWEEN %s AND %s AND audit_is_held(e)"
            " ORDER BY 1",
            (seal.first, seal.sequence),
        )
    ]
    hashes = b"".join(leaves) if kept else None
    stone = Tombstone(seal.first, seal.sequence, seal.root, tuple(kept), hashes, at)
    stone = replace(stone, signature=sign(stone_statement(stone), private_key))
    conn.execute(
        "INSERT INTO audit_tombstone (first, last, root, kept, hashes, pruned, signature)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (stone.first, stone.last, stone.root, kept, stone.hashes, stone.pruned, stone.signature),
    )
    conn.execute(
        "DELETE FROM audit_event WHERE sequence BETWEEN %s AND %s AND sequence <> ALL (%s)",
        (stone.first, stone.last, kept),
    )
    return stone

"""The proof that one record is in the log: its parts, the path to a root, the seal that signs the root."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import class_row

from exchange.audit.chain import SEAL_READ, Seal, statement
from exchange.audit.merkle import leads_to, path
from exchange.audit.tombstones import leaves_of
from exchange.crypto.sign import verify as signed_by
from exchange.model.errors import ContentError

_PARTS = ("kind", "participant", "patient", "body")


def prove(conn: psycopg.Connection, sequence: int) -> dict[str, Any]:
    """All that a third party needs, with the record itself; raises ContentError for one not under a tree."""
    row = conn.execute(
        "SELECT kind, participant, patient::text, body::text, previous FROM audit_event WHERE sequence = %s",
        (sequence,),
    ).fetchone()
    if row is None:
        raise ContentError(_why_not(conn, sequence), field=str(sequence))
    with conn.cursor(row_factory=class_row(Seal)) as cursor:
        seal = cursor.execute(
            f"SELECT {SEAL_READ} FROM audit_seal WHERE first <= %(n)s AND sequence >= %(n)s"
            " ORDER BY sequence LIMIT 1",
            {"n": sequence},
        ).fetchone()
    if seal is None or seal.first is None or seal.root is None:
        raise ContentError("no seal with a tree is over it yet; seal first: exchange audit seal")
    hashes = leaves_of(conn, seal.first, seal.sequence)
    return {
        "record": {"sequence": sequence, **dict(zip(_PARTS, row[:4], strict=True))},
        "previous": row[4].hex(),
        "path": [b64encode(found).decode() for found in path(hashes, sequence - seal.first)],
        "seal": {
            "first": seal.first,
            "sequence": seal.sequence,
            "hash": seal.hash.hex(),
            "root": seal.root.hex(),
            "sealed": seal.sealed.isoformat(),
            "signature": seal.signature.hex(),
        },
    }


def _why_not(conn: psycopg.Connection, sequence: int) -> str:
    row = conn.execute(
        "SELECT max(pruned) FROM audit_tombstone WHERE %s BETWEEN first AND last", (sequence,)
    ).fetchone()
    if row is None or row[0] is None:
        return "the log has no record of that number"
    return f"its time was over on {row[0]:%Y-%m-%d}; proofs made before can be checked as ever"


def proves(proof: Mapping[str, Any], public_key: str) -> str | None:
    """None when the record is proved to be in the log of whoever holds the key; else what is not right."""
    try:
        record, given = proof["record"], proof["seal"]
        seal = Seal(
            int(given["sequence"]),
            bytes.fromhex(given["hash"]),
            datetime.fromisoformat(given["sealed"]),
            bytes.fromhex(given["signature"]),
            int(given["first"]),
            bytes.fromhex(given["root"]),
        )
        parts = [sha256((record[part] or "").encode()).digest() for part in _PARTS]
        number = int(record["sequence"])
        start = bytes.fromhex(proof["previous"]) + number.to_bytes(8, "big", signed=True)
        hashes = [b64decode(one, validate=True) for one in proof["path"]]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return "it is not a proof of a record of the audit log"
    leaf = sha256(start + b"".join(parts)).digest()
    size = seal.sequence - int(given["first"]) + 1
    if leads_to(leaf, number - int(given["first"]), size, hashes) != seal.root:
        return "the record does not lead to the root that was sealed"
    if not signed_by(statement(seal), seal.signature, public_key):
        return "the signature of the seal is not of this key"
    return None

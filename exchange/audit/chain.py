"""The append-only chain of audit records: each holds the hash of the one before, the end is signed.

Role exchange_api may only append; `seal` and `verify` need a connection that may read the tables.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg
from psycopg.rows import class_row

from exchange.audit.events import Entry
from exchange.audit.merkle import root
from exchange.crypto.sign import sign
from exchange.model.errors import ExchangeError

GENESIS = bytes(32)


class AuditFailed(ExchangeError):
    """The record of a disclosure could not be written, so the disclosure must not happen."""

    retry = "retry"
    http_status = 503
    issue_code = "transient"


@dataclass(frozen=True, slots=True)
class Seal:
    """A signed end of the chain, with the root of the tree over the records from `first` on (merkle.py).

    Seals made before there were trees have neither.
    """

    sequence: int
    hash: bytes
    sealed: datetime
    signature: bytes
    first: int | None = None
    root: bytes | None = None


SEAL_COLUMNS = "sequence, hash, sealed, signature, first, root"
READABLE = "least(greatest({0}, '0001-01-02 00:00+00'), '9999-12-30 00:00+00') AS {0}"
"""A time of the database as Python has it; one beyond comes as another, which no signature fits."""
SEAL_READ = f"sequence, hash, {READABLE.format('sealed')}, signature, first, root"


def append(conn: psycopg.Connection, entries: Sequence[Entry]) -> None:
    """Adds `entries` in the caller's transaction and keeps the head locked to its end, so call it last.

    Raises AuditFailed; the caller must then let nothing out.
    """
    try:
        conn.execute(
            "SELECT audit_append(%s::text[], %s::text[], %s::uuid[], %s::text[])",
            (
                text_array([entry.kind for entry in entries]),
                text_array([entry.participant for entry in entries]),
                text_array([entry.patient for entry in entries]),
                text_array(
                    [orjson.dumps(entry.event, option=orjson.OPT_SORT_KEYS).decode() for entry in entries]
                ),
            ),
        )
    except psycopg.Error as error:
        raise AuditFailed(f"the audit record could not be written ({type(error).__name__})") from None


def text_array(texts: Sequence[str | None]) -> str:
    r"""The texts as PostgreSQL writes an array of them: psycopg looks at every quotation mark by itself.

    >>> print(text_array(['a"b', None, "NULL", chr(92), ""]))
    {"a\"b",NULL,"NULL","\\",""}
    """
    quoted = (
        "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for text in texts
    )
    return "{" + ",".join(quoted) + "}"


def link(previous: bytes, sequence: int, content: Sequence[str | None]) -> bytes:
    """Hash of a record; `content` is (kind, participant, patient, body), as audit_hash() computes it too."""
    parts = [hashlib.sha256((part or "").encode()).digest() for part in content]
    return hashlib.sha256(previous + sequence.to_bytes(8, "big", signed=True) + b"".join(parts)).digest()


def statement(seal: Seal) -> bytes:
    """What a seal's signature covers: everything it says."""
    instant = seal.sealed.astimezone(UTC).isoformat(timespec="microseconds")
    lines = ["mosaic-exchange audit seal", str(seal.sequence), seal.hash.hex(), instant]
    if seal.root is not None:
        lines += [str(seal.first), seal.root.hex()]
    return "".join(f"{line}\n" for line in lines).encode()


def seal(conn: psycopg.Connection, private_key: str, at: datetime, anchor: Path | None = None) -> Seal:
    """Signs the end of the chain, commits, and adds the seal to the file `anchor` outside the database.

    When nothing was written since the last seal, that one is returned.
    """
    with conn.transaction():
        head = conn.execute("SELECT sequence, hash FROM audit_head FOR UPDATE").fetchone()
        sequence, digest = head or (0, GENESIS)
        made = _sealed(conn, sequence)
        if made is None:
            made = _signed(conn, Seal(sequence, digest, at, b""), private_key)
            conn.execute(
                f"INSERT INTO audit_seal ({SEAL_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)",
                (made.sequence, made.hash, made.sealed, made.signature, made.first, made.root),
            )
    if anchor is not None and made not in read_anchor(anchor).seals:
        _write_anchor(anchor, made)
    return made


def _signed(conn: psycopg.Connection, end: Seal, private_key: str) -> Seal:
    """The seal over everything since the one before."""
    row = conn.execute("SELECT coalesce(max(sequence), 0) FROM audit_seal").fetchone()
    first = (int(row[0]) if row else 0) + 1
    tree = replace(end, first=first, root=root(hashes_between(conn, first, end.sequence)))
    return replace(tree, signature=sign(statement(tree), private_key))


def hashes_between(conn: psycopg.Connection, first: int, last: int) -> list[bytes]:
    """Hashes of the records `first` to `last`, in order: the leaves of a seal's tree."""
    rows = conn.execute(
        "SELECT hash FROM audit_event WHERE sequence BETWEEN %s AND %s ORDER BY sequence", (first, last)
    )
    return [bytes(row[0]) for row in rows]


def read_seals(conn: psycopg.Connection) -> list[Seal]:
    """Every seal of the database, oldest first."""
    with conn.cursor(row_factory=class_row(Seal)) as cursor:
        return cursor.execute(f"SELECT {SEAL_READ} FROM audit_seal ORDER BY sequence").fetchall()


@dataclass(frozen=True, slots=True)
class Anchor:
    """What stands in an anchor file: its seals, and the numbers of lines that are none."""

    seals: tuple[Seal, ...] = ()
    broken: tuple[int, ...] = ()


def read_anchor(anchor: Path) -> Anchor:
    """Every line of an anchor file; one that is missing has none."""
    if not anchor.exists():
        return Anchor()
    lines = anchor.read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    found = [_parse_seal(line) for line in lines]
    return Anchor(
        tuple(one for one in found if one is not None),
        tuple(number for number, one in enumerate(found, 1) if one is None),
    )


def _sealed(conn: psycopg.Connection, sequence: int) -> Seal | None:
    with conn.cursor(row_factory=class_row(Seal)) as cursor:
        return cursor.execute(
            f"SELECT {SEAL_READ} FROM audit_seal WHERE sequence = %s", (sequence,)
        ).fetchone()


def _parse_seal(line: bytes) -> Seal | None:
    """Exactly what was written: the same seal in other letters was written by somebody else."""
    try:
        data = orjson.loads(line)
        found = Seal(
            int(data["sequence"]),
            bytes.fromhex(data["hash"]),
            datetime.fromisoformat(data["sealed"]).astimezone(UTC),
            bytes.fromhex(data["signature"]),
            int(data["first"]) if "first" in data else None,
            bytes.fromhex(data["root"]) if "root" in data else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return found if _line(found) == line else None


def _line(made: Seal) -> bytes:
    tree = {"first": made.first, "root": made.root.hex()} if made.root is not None else {}
    return orjson.dumps(
        {
            "sequence": made.sequence,
            "hash": made.hash.hex(),
            "sealed": made.sealed.astimezone(UTC).isoformat(timespec="microseconds"),
            "signature": made.signature.hex(),
            **tree,
        }
    )


def _write_anchor(anchor: Path, made: Seal) -> None:
    """One JSON line, on disk before this returns; what a power cut left of a line stays a line of its own."""
    anchor.parent.mkdir(parents=True, exist_ok=True)
    torn = anchor.exists() and not anchor.read_bytes().endswith(b"\n") and anchor.stat().st_size > 0
    with anchor.open("ab") as file:
        file.write((b"\n" if torn else b"") + _line(made) + b"\n")
        file.flush()
        os.fsync(file.fileno())

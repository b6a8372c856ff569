"""Permits as rows of `disclosure`, by binary COPY: the server writes some while the next are decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from struct import Struct
from typing import NamedTuple

import psycopg

from exchange.consent.alike import Asking
from exchange.model.records import Decision
from exchange.repository.database.lists import written_in
from exchange.repository.storage.binary_copy import END, HEAD, LENGTH, microseconds

_COPY = (
    "COPY disclosure"
    " (viewer, class, valid_from, valid_until, needs_relationship, obligations, because, action)"
    " FROM STDIN (FORMAT BINARY)"
)
_AT_ONCE = 1 << 16

# The number of columns, then each value behind its length.
_VIEWER = Struct(">hii").pack
_CLASS = Struct(">ii").pack
_TIMES = Struct(">iqiqi?").pack
_LIST = Struct(">iiiii").pack
_EMPTY_LIST = Struct(">iii").pack
_TEXT_OID = 25


class Permit(NamedTuple):
    """What these viewers (by number) are shown of a class for an action, and when."""

    viewers: list[int]
    class_: int
    action: Asking
    start: datetime
    end: datetime
    decision: Decision


def write_permits(conn: psycopg.Connection, permits: Iterable[Permit]) -> None:
    """Adds them; nothing else can be asked of the connection until the last one is worked out."""
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        for block in _blocks(packed(permits, written_in(conn.info.encoding))):
            copy.write(block)


def _blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    waiting, size = [HEAD], 0
    for row in rows:
        waiting.append(row)
        size += len(row)
        if size > _AT_ONCE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join((*waiting, END))


def packed(permits: Iterable[Permit], encoding: str) -> Iterator[bytes]:
    """The rows; most say the same of other viewers and classes, and that is written once."""
    said: dict[tuple[object, ...], bytes] = {}  # by all but who and what
    heads: dict[int, bytes] = {}
    for permit in permits:
        saying = permit[2:]
        told = said.get(saying)
        if told is None:
            told = said[saying] = _said(permit, encoding)
        rest = _CLASS(4, permit.class_) + told
        for viewer in permit.viewers:
            head = heads.get(viewer)
            if head is None:
                head = heads[viewer] = _VIEWER(8, 4, viewer)
            yield head + rest


def _said(permit: Permit, encoding: str) -> bytes:
    decision, action = permit.decision, permit.action.encode(encoding)
    start, end = microseconds(permit.start), microseconds(permit.end)
    return b"".join(
        (
            _TIMES(8, start, 8, end, 1, decision.needs_relationship),
            _list(sorted(decision.obligations), encoding),
            _list(decision.because, encoding),
            LENGTH(len(action)),
            action,
        )
    )


def _list(texts: Collection[str], encoding: str) -> bytes:
    """A text[]: its dimensions, whether it holds NULL, the type within, its length and first index."""
    written = [text.encode(encoding) for text in texts]
    inner = (
        _LIST(1, 0, _TEXT_OID, len(written), 1)
        + b"".join(part for text in written for part in (LENGTH(len(text)), text))
        if written
        else _EMPTY_LIST(0, 0, _TEXT_OID)
    )
    return LENGTH(len(inner)) + inner

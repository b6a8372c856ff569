"""Index rows as binary COPY takes them: one call a row, where psycopg looks at one value after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from exchange.repository.storage.binary_copy import LENGTH, microseconds
from exchange.repository.storage.index import IndexRows

# The number of columns, then each value behind its length.
_TOKEN = Struct(">hiqiiii").pack
_REFERENCE = Struct(">hi16sii").pack
_DATE = Struct(">hiqiqii").pack
_QUANTITY = Struct(">hidiiiiidiiii").pack
_STRING = Struct(">hiii").pack
_OWNER = Struct(">iqiiii").pack
_OWNER_NOBODYS = Struct(">iqiii").pack
_NULL = -1


class Owner(NamedTuple):
    """Whose index rows they are."""

    rid: int
    patient: int | None
    class_: int


def _owner(owner: Owner) -> bytes:
    """The last three columns of every index row."""
    rid, patient, class_ = owner
    if patient is None:
        return _OWNER_NOBODYS(8, rid, _NULL, 4, class_)
    return _OWNER(8, rid, 4, patient, 4, class_)


def _tokens(found: IndexRows, owner: bytes) -> Iterable[bytes]:
    return [_TOKEN(6, 8, key, 4, system, 4, param) + owner for key, system, param in found.tokens]


def _references(found: IndexRows, owner: bytes) -> Iterable[bytes]:
    return [_REFERENCE(5, 16, target.bytes, 4, param) + owner for target, param in found.references]


def _dates(found: IndexRows, owner: bytes) -> Iterable[bytes]:
    return [
        _DATE(6, 8, microseconds(low), 8, microseconds(high), 4, param) + owner
        for low, high, param in found.dates
    ]


def _strings(found: IndexRows, owner: bytes, encoding: str) -> Iterable[bytes]:
    for param, value, original in found.strings:
        folded, written = value.encode(encoding), original.encode(encoding)
        yield b"".join(
            (
                _STRING(6, 4, param, len(folded)),
                folded,
                LENGTH(len(written)),
                written,
                owner,
            )
        )


def _quantities(found: IndexRows, owner: bytes) -> Iterable[bytes]:
    return [
        _QUANTITY(9, 8, value, 4, system, 4, unit, 8, base_value, 4, base, 4, param) + owner
        for value, system, unit, base_value, base, param in found.quantities
    ]


COLUMNS: Mapping[str, str] = {
    "index_token": "key, system, param",
    "index_reference": "target, param",
    "index_date": "low, high, param",
    "index_string": "param, value, original",
    "index_quantity": "value, system, unit, base_value, base, param",
}
"""Of each index table the columns before those of its owner."""

_PACKED: Mapping[str, Callable[[IndexRows, bytes], Iterable[bytes]]] = {
    "index_token": _tokens,
    "index_reference": _references,
    "index_date": _dates,
    "index_quantity": _quantities,
}


def packed(table: str, rows: Iterable[tuple[Owner, IndexRows]], encoding: str) -> Iterator[bytes]:
    """The rows of one table, those of a resource after the other; texts in the connection's encoding."""
    pack = _PACKED.get(table)
    for owner, found in rows:
        if pack is not None:
            yield from pack(found, _owner(owner))
        elif found.strings:
            yield from _strings(found, _owner(owner), encoding)

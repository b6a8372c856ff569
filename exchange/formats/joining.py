"""Rows of one table with columns of others: what an export of many files says only together.

A joined column holds the different values that were found, in order and with `|` between them; a row of
the other table that is missing counts as one without a value, so that nothing unknown looks like an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from exchange.formats import delimited
from exchange.model.errors import RecordRejected
from exchange.model.partner import Join
from exchange.model.records import Document

Joined = Callable[[delimited.Row], delimited.Row]
_Table = Mapping[str, Mapping[tuple[str, ...], None]]


def joiner(document: Document, joins: Sequence[Join], encoding: str, options: Mapping[str, Any]) -> Joined:
    """Adds the joined columns to a row; raises RecordRejected when a file or a column of it is missing.

    >>> shelters = Document("f", "stay.csv", b"", beside={"Shelter.csv": b"id,kind\\n1,night\\n"})
    >>> add = joiner(shelters, [Join(file="Shelter.csv", by="id", take=("kind",))], "utf-8", {})
    >>> add({"id": "1"}), add({"id": "2"})
    ({'id': '1', 'kind': 'night'}, {'id': '2', 'kind': ''})
    """
    plain = {name: value for name, value in options.items() if name in ("delimiter", "quote")}
    tables = [(join, _table(document, join, encoding, plain)) for join in joins]

    def add(row: delimited.Row) -> delimited.Row:
        cells = dict(row)
        for join, table in tables:
            keys = _values(cells.get(join.by, ""))
            nothing: dict[tuple[str, ...], None] = {("",) * len(join.take): None}
            found = [values for key in keys for values in table.get(key, nothing)]
            for index, name in enumerate(join.take):
                cells[name] = "|".join(sorted({values[index] for values in found}))
        return cells

    return add


def _values(cell: str | list[str]) -> list[str]:
    return str(cell).strip().split("|")


def _table(document: Document, join: Join, encoding: str, options: Mapping[str, Any]) -> _Table:
    payload = document.beside.get(join.file)
    if payload is None:
        raise RecordRejected(f"the feed joins {join.file}, which is not beside the file", code="incomplete")
    table: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
    for row in _rows(payload, join, encoding, options):
        if key := str(row[join.by]).strip():
            table[key][tuple(str(row[name]).strip() for name in join.take)] = None
    return table


def _rows(payload: bytes, join: Join, encoding: str, options: Mapping[str, Any]) -> Iterator[delimited.Row]:
    """Broken rows are as if they were not there; each stands in quarantine by the feed of its own file."""
    for _, row, problem in delimited.rows(payload, encoding, options):
        if problem is not None:
            continue
        missing = next((name for name in (join.by, *join.take) if name not in row), None)
        if missing is not None:
            raise RecordRejected(
                f"{join.file} has no column `{missing}`", code="structure", expression=missing
            )
        yield row

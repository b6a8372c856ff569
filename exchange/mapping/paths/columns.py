"""Columns of a delimited file: `PersonalID`, `[First visit]`, `Notes?` when the column may be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from exchange.mapping.paths.grammar import Grammar, Reader, WrongPath
from exchange.model.errors import RecordRejected

_COLUMN = re.compile(r"(?:\[([^\]]+)\]|([A-Za-z_][\w.]*))(\?)?")


def columns_grammar(columns: tuple[str, ...] = ()) -> Grammar:
    """Cells are trimmed and an empty cell is no value; `columns` are the names where they are declared."""

    def below(path: str, _place: str) -> str:
        name = column_name(path)
        if columns and name not in columns:
            raise WrongPath(f"partner.yaml declares no column `{name}`", name, columns)
        return ""

    return Grammar(_match, _value, _nodes, _open, _position, lambda _path: False, below=below)


def column_name(path: str) -> str:
    """The column a path reads.

    >>> column_name("[First visit]?")
    'First visit'
    """
    found = _COLUMN.fullmatch(path)
    if found is None:
        raise ValueError(f"`{path}` is no column: write `Name`, `[Name with spaces]` or `Name?`")
    return found.group(1) or found.group(2)


def _match(text: str, at: int) -> int:
    found = _COLUMN.match(text, at)
    return found.end() if found else at


def _value(path: str) -> Reader:
    name, optional = column_name(path), path.endswith("?")

    def read(row: Mapping[str, str], _run: Any) -> str | None:
        text = row.get(name)
        if text is None and not optional:
            raise RecordRejected(f"the file has no column `{name}`", code="structure", expression=name)
        return (text.strip() or None) if text else None

    return read


def _nodes(path: str) -> Reader:
    """A row where the column has a value: for `each` and `as`."""
    read = _value(path)
    return lambda row, run: [row] if read(row, run) is not None else []


def _open(payload: bytes) -> Any:
    return orjson.loads(payload)


def _position(_row: Any) -> str:
    return ""

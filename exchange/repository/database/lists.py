"""Long lists as parameters: written in one go, where psycopg looks at one item after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListDumper


class FlatListDumper(ListDumper):
    """Lists of int, of UUID or of text without quotes and backslashes; others as psycopg writes them.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj))
        if kinds == {int} or kinds == {UUID}:
            return b"{%s}" % ",".join(map(str, obj)).encode()
        text = _quoted(obj) if kinds == {str} else None
        return super().dump(obj) if text is None else text.encode(written_in(self._tx.encoding))


def written_in(encoding: str) -> str:
    """As psycopg writes single texts: a database without an encoding takes any bytes."""
    return "utf-8" if encoding == "ascii" else encoding


def _quoted(items: Sequence[str]) -> str | None:
    joined = '","'.join(items)
    if joined.count('"') > 2 * (len(items) - 1) or "\\" in joined or "\0" in joined:
        return None
    return f'{{"{joined}"}}'


def write_lists_quickly(connection: psycopg.Connection[Any]) -> None:
    """Makes the connection write its lists in one go."""
    connection.adapters.register_dumper(list, FlatListDumper)

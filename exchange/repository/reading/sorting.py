"""The order of a search, and where in it a page ends: by keys whose values a cursor can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.syntax import BadSearch
from exchange.repository.storage.dates import EARLIEST, LATEST
from exchange.repository.storage.parameters import Kind, Parameter, parameters

_COLUMNS: dict[Kind, tuple[str, str]] = {
    "date": ("index_date", "low"),
    "string": ("index_string", "value"),
    "quantity": ("index_quantity", "value"),
}
_ENDS: dict[Kind, tuple[Any, Any]] = {
    "date": (EARLIEST, LATEST),
    "string": ("", chr(0x10FFFF)),
    "quantity": (float("-inf"), float("inf")),
}
_MOST = 5


@dataclass(frozen=True, slots=True)
class SortKey:
    """`parameter` None: by `_id` or `_lastUpdated` themselves. What has no value comes last either way."""

    name: str
    descending: bool
    parameter: Parameter | None = None

    @property
    def missing(self) -> Any:
        """What stands for a value that is not there."""
        return _ENDS[self.parameter.kind][0 if self.descending else 1] if self.parameter else None

    @property
    def place(self) -> tuple[str, str]:
        """Table and column of what it sorts by, of which an index goes in this order."""
        return _COLUMNS[self.parameter.kind] if self.parameter else ("resource", "updated")

    @property
    def ends(self) -> tuple[Any, Any]:
        """Before all values in this order, and after all of them."""
        low, high = _ENDS[self.parameter.kind if self.parameter else "date"]
        return (high, low) if self.descending else (low, high)

    def sql(self, arguments: Arguments, alias: str = "r") -> str:
        """The value of a row: of several the one that comes first in this order."""
        if self.parameter is None:
            return f"{alias}.fhir_id" if self.name == "_id" else f"{alias}.updated"
        table, column = _COLUMNS[self.parameter.kind]
        first = (
            f"SELECT {'max' if self.descending else 'min'}(x.{column}) FROM {table} x"
            f" WHERE x.rid = {alias}.rid AND x.param = {arguments.add(self.parameter.key)}"
        )
        return f"coalesce(({first}), {arguments.add(self.missing)})"

    def first(self, values: Iterable[Any]) -> Any:
        """The same of values at hand, without those that stand for none."""
        known = [value for value in values if value != self.missing]
        return (max if self.descending else min)(known, default=self.missing)

    def read(self, text: str) -> Any:
        """The value a cursor holds as text."""
        if self.name == "_id":
            return UUID(text)
        kind = self.parameter.kind if self.parameter else "date"
        readers: dict[str, Callable[[str], Any]] = {"date": datetime.fromisoformat, "quantity": float}
        return readers.get(kind, str)(text)


def write(value: Any) -> str:
    """A value as a cursor holds it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def sortable(resource_type: str) -> Mapping[str, Parameter | None]:
    """What a type can be sorted by."""
    of_type = parameters().get(resource_type, {})
    plain = {n: p for n, p in of_type.items() if p.kind in _COLUMNS and not p.unites}
    return {"_id": None, "_lastUpdated": None, **plain}


def sort_keys(resource_type: str, text: str) -> tuple[SortKey, ...]:
    """The keys of `_sort`, ended by the id so that no two rows are alike; raises BadSearch."""
    valid = sortable(resource_type)
    keys: list[SortKey] = []
    for written in text.split(",") if text else ():
        name = written.removeprefix("-")
        if name not in valid:
            raise BadSearch(f"_sort is some of {', '.join(sorted(valid))}, with - for descending")
        keys.append(SortKey(name, written.startswith("-"), valid[name]))
        if name == "_id":
            return tuple(keys)
    if len(keys) > _MOST:
        raise BadSearch(f"_sort has at most {_MOST} keys")
    return (*keys, SortKey("_id", False))


def after_sql(
    keys: Sequence[SortKey], last: Sequence[str], columns: Sequence[str], arguments: Arguments
) -> str:
    """SQL for what comes after the row at which a page ended; `columns` hold the values of a row."""
    either, equal = [], ""
    for key, text, column in zip(keys, last, columns, strict=True):
        value = arguments.add(key.read(text))
        either.append(f"{equal}{column} {'<' if key.descending else '>'} {value}")
        equal += f"{column} = {value} AND "
    return f"({' OR '.join(either)})"


def is_after(keys: Sequence[SortKey], position: Sequence[Any], last: Sequence[Any]) -> bool:
    """The same for values at hand."""
    for key, mine, other in zip(keys, position, last, strict=True):
        if mine != other:
            return bool((mine < other) is key.descending)
    return False

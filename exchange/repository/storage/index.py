"""Index rows of a resource: what its search parameters find in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from exchange.model.records import Resource
from exchange.repository.storage.dates import Span, period, span
from exchange.repository.storage.parameters import Parameter, Place, fold, hash32, parameters, token_key

Token = tuple[int, int, int]
Reference = tuple[UUID, int]
Date = tuple[datetime, datetime, int]
String = tuple[int, str, str]
Quantity = tuple[float, int, int, int]

_NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
_ADDRESS_PARTS = ("line", "city", "district", "state", "postalCode", "country", "text")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class IndexRows:
    """Rows by table, without the columns that say whose they are."""

    tokens: set[Token]
    references: set[Reference]
    dates: set[Date]
    strings: set[String]
    quantities: set[Quantity]


def index_rows(resource: Resource) -> IndexRows:
    """Every row of one rendition; values that cannot be read make none."""
    rows = IndexRows(set(), set(), set(), set(), set())
    for extract in _extractors(resource["resourceType"]):
        extract(resource, rows)
    return rows


@cache
def _extractors(resource_type: str) -> tuple[Callable[[Resource, IndexRows], None], ...]:
    return tuple(
        _extractor(parameter, place)
        for parameter in parameters().get(resource_type, {}).values()
        for place in parameter.places
    )


def _extractor(parameter: Parameter, place: Place) -> Callable[[Resource, IndexRows], None]:
    first, rest = place.path[0], place.path[1:]
    add = _ADDERS[parameter.kind]
    key, datatype = parameter.key, place.datatype
    wanted_system = place.where.removeprefix("system=") if place.where.startswith("system=") else None

    def extract(resource: Resource, rows: IndexRows) -> None:
        found = resource.get(first)
        if found is None:
            return
        for value in values_at(found, rest):
            if wanted_system is None or value.get("system") == wanted_system:
                add(rows, key, datatype, value)

    def extract_existence(resource: Resource, rows: IndexRows) -> None:
        if first in resource:
            _add_token(rows, key, "boolean", True)

    return extract_existence if place.where == "exists" else extract


def values_at(found: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands at a path of element names, through every list on the way."""
    if isinstance(found, list):
        for item in found:
            yield from values_at(item, path)
    elif not path:
        yield found
    elif isinstance(found, dict) and path[0] in found:
        yield from values_at(found[path[0]], path[1:])


def _add_token(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    if datatype == "CodeableConcept":
        for coding in value.get("coding", ()):
            _put_token(rows, key, coding.get("system"), coding.get("code"))
    elif datatype == "Coding":
        _put_token(rows, key, value.get("system"), value.get("code"))
    elif datatype in ("Identifier", "ContactPoint"):
        _put_token(rows, key, value.get("system"), value.get("value"))
    elif datatype == "boolean":
        _put_token(rows, key, None, "true" if value else "false")
    else:
        _put_token(rows, key, None, value)


def _put_token(rows: IndexRows, key: int, system: str | None, code: str | None) -> None:
    if code:
        rows.tokens.add((token_key(key, code), hash32(system or ""), key))


def _add_reference(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    reference = value.get("reference", "") if isinstance(value, dict) else value
    try:
        rows.references.add((UUID(reference.rpartition("/")[2]), key))
    except ValueError:
        return  # contained or outside the repository


def _add_date(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    try:
        for low, high in _spans(datatype, value):
            rows.dates.add((low, high, key))
    except (ValueError, OverflowError):
        return


def _spans(datatype: str, value: Any) -> Iterator[Span]:
    if datatype == "Period":
        yield period(value)
    elif datatype == "Timing":
        yield from map(span, value.get("event", ()))
    else:
        yield span(value)


def _add_string(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    if datatype == "HumanName":
        parts = [part for name in _NAME_PARTS for part in values_at(value.get(name, []), ())]
    elif datatype == "Address":
        parts = [part for name in _ADDRESS_PARTS for part in values_at(value.get(name, []), ())]
    else:
        parts = [value]
    for part in parts:
        if part:
            rows.strings.add((key, fold(part)[:_LONGEST], part[:_LONGEST]))


def _add_quantity(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    number = value.get("value")
    if number is not None:
        rows.quantities.add((float(number), hash32(value.get("system", "")), hash32(_unit(value)), key))


def _unit(value: Any) -> str:
    return value.get("code") or value.get("unit") or ""


_ADDERS: dict[str, Callable[[IndexRows, int, str, Any], None]] = {
    "token": _add_token,
    "reference": _add_reference,
    "date": _add_date,
    "string": _add_string,
    "quantity": _add_quantity,
}

"""Index rows of a resource: what its search parameters find in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from exchange.model.fhir import patient_of
from exchange.model.records import Resource
from exchange.repository.storage.dates import Span, period, span
from exchange.repository.storage.parameters import (
    Parameter,
    Place,
    fold,
    hash32,
    identifier_key,
    paired_key,
    parameters,
    several_key,
    token_key,
)
from exchange.repository.storage.units import UCUM, scale

Token = tuple[int, int, int]
Reference = tuple[UUID, int]
Date = tuple[datetime, datetime, int]
String = tuple[int, str, str]
Quantity = tuple[float, int, int, float, int, int]

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


UNNAMED = 0
"""The key of references that no parameter finds."""


def index_rows(resource: Resource, refers: Iterable[str]) -> IndexRows:
    """Every row of one rendition, which `refers` to all of these; values that cannot be read make none."""
    rows = IndexRows(set(), set(), set(), set(), set())
    by_element = _extractors(resource["resourceType"])
    for element in resource:
        for extract in by_element.get(element, ()):
            extract(resource, rows)
    _add_other_references(rows, resource, refers)
    _add_spans_of_several(rows)
    return rows


def _add_spans_of_several(rows: IndexRows) -> None:
    """From the first to the last, where a parameter finds several dates: one early, maybe, and one late."""
    several = Counter(key for _, _, key in rows.dates) if len(rows.dates) > 1 else {}
    for key in [key for key, number in several.items() if number > 1]:
        low = min(low for low, _, own in rows.dates if own == key)
        high = max(high for _, high, own in rows.dates if own == key)
        rows.dates.add((low, high, several_key(key)))


def _add_other_references(rows: IndexRows, resource: Resource, named: Iterable[str]) -> None:
    """What no parameter finds, so that labels reach whoever refers; the patient is a column."""
    about = f"Patient/{patient_of(resource)}"
    found = {target for target, _ in rows.references}
    for reference in named:
        if "/" in reference and reference != about:
            target = _target(reference)
            if target is not None and target not in found:
                rows.references.add((target, UNNAMED))


Extract = Callable[[Resource, IndexRows], None]


@cache
def _extractors(resource_type: str) -> Mapping[str, Sequence[Extract]]:
    """What finds the values of each parameter, by the element that they begin with.

    Parameters whose values others find, or a column names, need nothing.
    """
    found = defaultdict[str, list[Extract]](list)
    for p in parameters().get(resource_type, {}).values():
        for place in () if p.unites else p.places:
            if not p.subject:
                found[place.path[0]].append(_extractor(p, place))
            elif p.leads_to_others:
                found[place.path[0]].append(_about_no_person(p, place))
        if p.base:
            found[p.base.partition(".")[0]].append(_pairing(resource_type, p))
    return dict(found)


def _extractor(parameter: Parameter, place: Place) -> Extract:
    first, rest = place.path[0], place.path[1:]
    add = _ADDERS[parameter.kind]
    key, datatype = parameter.key, place.datatype
    holds = condition_of(place)

    def extract_all(resource: Resource, rows: IndexRows) -> None:
        for value in values_at(resource[first], rest):
            add(rows, key, datatype, value)

    def extract(resource: Resource, rows: IndexRows) -> None:
        for value in values_at(resource[first], rest):
            if holds(value):
                add(rows, key, datatype, value)

    def extract_extension(resource: Resource, rows: IndexRows) -> None:
        for extension in values_at(resource[first], ()):
            for value in values_at(extension, rest) if holds(extension) else ():
                add(rows, key, datatype, value)

    def extract_existence(resource: Resource, rows: IndexRows) -> None:
        _add_token(rows, key, "boolean", True)

    if place.where == "exists":
        return extract_existence
    if first == "extension":
        return extract_extension
    return extract if place.where else extract_all


def _about_no_person(parameter: Parameter, place: Place) -> Extract:
    """A subject that is a place or a device, which no column names."""

    def extract(resource: Resource, rows: IndexRows) -> None:
        for value in values_at(resource, place.path):
            reference = value.get("reference", "")
            if "/" in reference and "Patient/" not in reference:
                _add_reference(rows, parameter.key, place.datatype, value)

    return extract


def condition_of(place: Place) -> Callable[[Any], bool]:
    """Whether a value at the place is one of those meant; for an extension: whether the extension is."""
    name, _, wanted = place.where.partition("=")
    if name in ("system", "url"):
        return lambda value: bool(value.get(name) == wanted)
    if name == "type":
        return lambda value: f"{wanted}/" in value.get("reference", "")
    return lambda value: True


def _pairing(resource_type: str, composite: Parameter) -> Extract:
    """Values filed under the code that stands beside them in the same element."""
    code, value = (parameters()[resource_type][part] for part in composite.parts)
    base = tuple(composite.base.split("."))
    code_paths = [place.path[len(base) :] for place in code.places]
    places = [(place.path[len(base) :], place.datatype) for place in value.places]
    add = _ADDERS[value.kind]

    def extract(resource: Resource, rows: IndexRows) -> None:
        for element in values_at(resource, base):
            codings = [c for path in code_paths for c in values_at(element, (*path, "coding"))]
            written = {_written(c) for c in codings if "code" in c}
            for token in {token for pair in written for token in pair}:
                key = paired_key(resource_type, composite, token)
                for path, datatype in places:
                    for found in values_at(element, path):
                        add(rows, key, datatype, found)

    return extract


def _written(coding: Any) -> tuple[str, str]:
    """A coding as a search may name it: `code` and `system|code`."""
    return coding["code"], f"{coding.get('system', '')}|{coding['code']}"


def values_at(found: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands at a path of element names, through every list on the way."""
    values = found if type(found) is list else [found]
    for name in path:
        below: list[Any] = []
        for value in values:
            if type(value) is dict and name in value:
                inner = value[name]
                if type(inner) is list:
                    below += inner
                else:
                    below.append(inner)
        values = below
    return values


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
    reference = value.get("reference") if isinstance(value, dict) else value
    if reference is None:  # an identifier beside a literal reference is a word about another record
        if "identifier" in value:
            _add_token(rows, identifier_key(key), "Identifier", value["identifier"])
        return
    target = _target(reference)
    if target is not None:
        rows.references.add((target, key))


@lru_cache(maxsize=1 << 16)
def _target(reference: str) -> UUID | None:
    """The id that a reference ends with; None of what is contained, or outside the repository."""
    try:
        return UUID(reference.rpartition("/")[2])
    except ValueError:
        return None


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
        bounds = value.get("repeat", {}).get("boundsPeriod")
        if bounds:
            yield period(bounds)
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
        system, unit, base = value.get("system", ""), value.get("unit", ""), in_base_units(value)
        code = value.get("code") or unit
        rows.quantities.add((float(number), hash32(system), hash32(code), *base, key))
        if unit and unit != code:  # `5||minutes` finds what people read, of no system
            rows.quantities.add((float(number), 0, hash32(unit), *base, key))


def in_base_units(quantity: Any) -> tuple[float, int]:
    """Value and hash of the base unit of a UCUM quantity; as it is, and 0, where nothing can be converted.

    >>> in_base_units({"value": 5, "system": UCUM, "code": "mg"})[0]
    5e-06
    """
    found = scale(quantity.get("code", "")) if quantity.get("system") == UCUM else None
    if found is None:
        return float(quantity["value"]), 0
    return found.of(float(quantity["value"])), hash32(found.base)


def _add_uri(rows: IndexRows, key: int, datatype: str, value: Any) -> None:
    if len(value) <= _LONGEST:
        rows.strings.add((key, value, ""))


_ADDERS: dict[str, Callable[[IndexRows, int, str, Any], None]] = {
    "token": _add_token,
    "reference": _add_reference,
    "date": _add_date,
    "string": _add_string,
    "quantity": _add_quantity,
    "uri": _add_uri,
    "composite": lambda rows, key, datatype, value: None,
}

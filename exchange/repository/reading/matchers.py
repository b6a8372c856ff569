"""One value of a search parameter as an SQL condition over a row `x` of its index table.

https://hl7.org/fhir/R4/search.html#ptypes. Values are always arguments; only names of ours become SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf, nextafter
from typing import Any

from exchange.model.fhir_types import value_set
from exchange.repository.reading.criteria import Criterion
from exchange.repository.reading.hierarchy import related
from exchange.repository.reading.syntax import (
    BadSearch,
    instants,
    number,
    prefixed,
    reference_id,
    split_bar,
    split_values,
    unescape,
)
from exchange.repository.storage.parameters import Kind, fold, hash32, implied_codes, token_key
from exchange.repository.storage.units import UCUM, scale

_VALUE_SETS = "http://hl7.org/fhir/ValueSet/"


@dataclass(slots=True)
class Arguments:
    """Values of a statement under construction, by the names it uses for them."""

    values: dict[str, Any] = field(default_factory=dict)

    def add(self, value: Any) -> str:
        """The placeholder that stands for `value`."""
        name = f"a{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"


Match = Callable[[str, Criterion, Arguments, int], str]
"""From a value, its criterion, the arguments and the key of the index rows to SQL."""


def token(value: str, criterion: Criterion, arguments: Arguments, key: int) -> str:
    system, bar, code = split_bar(value)
    implied = implied_codes(criterion.parameter).get(system, frozenset())
    if not code:
        if not system:
            raise BadSearch(f"{criterion.parameter.name} needs a code or a system")
        written = f"x.system = {arguments.add(hash32(system))}"
        unwritten = arguments.add([token_key(key, one) for one in sorted(implied)])
        return f"({written} OR x.key = ANY({unwritten}) AND x.system = 0)" if implied else written
    own = f"x.key = {arguments.add(token_key(key, code))}"
    if code in implied:
        return f"{own} AND x.system = ANY({arguments.add([0, hash32(system)])})"
    return f"{own} AND x.system = {arguments.add(hash32(system))}" if bar else own


def in_value_set(value: str, criterion: Criterion, arguments: Arguments, key: int) -> str:
    """A code of a value set that R4 itself defines; others are not known here."""
    name = unescape(value).partition("|")[0].removeprefix(_VALUE_SETS)
    try:
        systems = value_set(name)
    except KeyError:
        raise BadSearch(
            f"{criterion.parameter.name}:{criterion.modifier} knows the value sets of R4's required bindings,"
            f" as {_VALUE_SETS}administrative-gender"
        ) from None
    keys = sorted(token_key(key, code) for codes in systems.values() for code in codes)
    return (
        f"x.key = ANY({arguments.add(keys)})"
        f" AND x.system = ANY({arguments.add([0, *sorted(map(hash32, systems))])})"
    )


def in_hierarchy(value: str, criterion: Criterion, arguments: Arguments, key: int) -> str:
    """The code and all above or below it; its system is said or implied, and ordered by R4 itself."""
    system, bar, code = split_bar(value)
    implied = implied_codes(criterion.parameter)
    found = related([system] if bar else implied, code, criterion.modifier)
    if not found:
        raise BadSearch(
            f"{criterion.parameter.name}:{criterion.modifier} knows code systems that R4 itself orders, as"
            " http://terminology.hl7.org/CodeSystem/condition-clinical|inactive; not SNOMED CT, LOINC or ICD"
        )
    either = []
    for name, codes in sorted(found.items()):
        keys = arguments.add([token_key(key, one) for one in sorted(codes)])
        systems = arguments.add([hash32(name), *([0] if name in implied else [])])
        either.append(f"(x.key = ANY({keys}) AND x.system = ANY({systems}))")
    return " OR ".join(either)


def string(value: str, criterion: Criterion, arguments: Arguments, _: int) -> str:
    text = unescape(value)
    if not fold(text):  # everything begins with nothing: who left a variable empty would get everybody
        raise BadSearch(f"{criterion.parameter.name} needs letters or digits, in each of its values")
    folded = arguments.add(fold(text))
    if criterion.modifier == "exact":
        return f"x.value = {folded} AND x.original = {arguments.add(text)}"
    if criterion.modifier == "contains":
        return f"strpos(x.value, {folded}) > 0"
    return _begins(folded, arguments)


def _begins(text: str, arguments: Arguments) -> str:
    return f"x.value >= {text} AND x.value < {text} || {arguments.add(chr(0x10FFFF))}"


def uri(value: str, criterion: Criterion, arguments: Arguments, _: int) -> str:
    """As it is, or by the parts of its path: above and below. Without a version any version is meant."""
    text = unescape(value)
    if criterion.modifier == "below":
        under = arguments.add(text.rstrip("/") + "/")
        return f"(x.value = {arguments.add(text)} OR {_begins(under, arguments)})"
    if criterion.modifier == "above":
        parts = text.split("/")
        return f"x.value = ANY({arguments.add(['/'.join(parts[: n + 1]) for n in range(len(parts))])})"
    versions = _begins(arguments.add(f"{text}|"), arguments)
    return f"(x.value = {arguments.add(text)} OR {versions})"


def date(value: str, criterion: Criterion, arguments: Arguments, _: int) -> str:
    prefix, low, high = instants(criterion.parameter.name, value, criterion.at)
    return compare_span("x.low", "x.high", prefix, arguments.add(low), arguments.add(high))


def compare_span(low: str, high: str, prefix: str, from_: str, until: str) -> str:
    """SQL comparing the half-open span of a row with that of the searched value, by prefix."""
    # What ends within begins within, too: said so that the index over where a span begins reads no more.
    inside = f"{low} >= {from_} AND {low} < {until} AND {high} <= {until}"
    return {
        "eq": inside,
        "ne": f"NOT ({inside})",
        "gt": f"{high} > {until}",
        "lt": f"{low} < {from_}",
        "ge": f"({high} > {until} OR {inside})",
        "le": f"({low} < {from_} OR {inside})",
        "sa": f"{low} >= {until}",
        "eb": f"{high} <= {from_}",
        "ap": f"{low} < {until} AND {high} > {from_}",
    }[prefix]


def quantity(value: str, criterion: Criterion, arguments: Arguments, _: int) -> str:
    """Compared in base units when the unit is one of UCUM that converts, else in the unit as written."""
    prefix, text = prefixed(value)
    written, *rest = split_values(text, "|")
    amount, half = number(criterion.parameter.name, written)
    if prefix == "ap":
        half = abs(amount) / 10
    system, unit = (unescape(part) for part in (*rest, "", "")[:2])
    found = scale(unit) if system == UCUM else None
    if found:
        low, middle, high = (found.of(amount + step) for step in (-half, 0, half))
        base = f"x.base = {arguments.add(hash32(found.base))}"
        return f"{base} AND {_within('x.base_value', prefix, (low, middle, high), arguments)}"
    compared = _within("x.value", prefix, (amount - half, amount, amount + half), arguments)
    if unit:
        compared += f" AND x.unit = {arguments.add(hash32(unit))}"
    if system:
        compared += f" AND x.system = {arguments.add(hash32(system))}"
    return compared


def _within(column: str, prefix: str, span: tuple[float, float, float], arguments: Arguments) -> str:
    low, middle, high = span
    # A number as exact as a float can be lies within no span narrower than that of its last digit.
    low, high = min(low, middle), max(high, nextafter(middle, inf))
    if prefix in ("eq", "ne", "ap"):
        inside = f"{column} >= {arguments.add(low)} AND {column} < {arguments.add(high)}"
        return f"NOT ({inside})" if prefix == "ne" else inside
    sign = {"gt": ">", "sa": ">", "lt": "<", "eb": "<", "ge": ">=", "le": "<="}[prefix]
    return f"{column} {sign} {arguments.add(middle)}"


def reference(value: str, criterion: Criterion, arguments: Arguments, _: int) -> str:
    target = reference_id(value)
    return f"x.target = {arguments.add(target)}" if target else "false"


def updated(values: tuple[str, ...], at: datetime, arguments: Arguments, column: str) -> str:
    """SQL for `_lastUpdated`."""
    spans = [instants("_lastUpdated", value, at) for value in values]
    either = [
        _compare_instant(column, prefix, arguments.add(low), arguments.add(high))
        for prefix, low, high in spans
    ]
    return f"({' OR '.join(either)})"


def _compare_instant(column: str, prefix: str, from_: str, until: str) -> str:
    """SQL comparing an instant with the half-open span of the searched value, by prefix."""
    inside = f"{column} >= {from_} AND {column} < {until}"
    return {
        "eq": inside,
        "ne": f"NOT ({inside})",
        "gt": f"{column} >= {until}",
        "lt": f"{column} < {from_}",
        "ge": f"{column} >= {from_}",
        "le": f"{column} < {until}",
        "sa": f"{column} >= {until}",
        "eb": f"{column} < {from_}",
        "ap": inside,
    }[prefix]


def matches_instant(instant: datetime, value: str, at: datetime) -> bool:
    """The same for an instant that no table holds.

    >>> matches_instant(datetime.fromisoformat("2026-11-23T09:00:00Z"), "ge2026-11-23", datetime.now())
    True
    """
    prefix, low, high = instants("_lastUpdated", value, at)
    return {
        "eq": low <= instant < high,
        "ne": not low <= instant < high,
        "gt": instant >= high,
        "lt": instant < low,
        "ge": instant >= low,
        "le": instant < high,
        "sa": instant >= high,
        "eb": instant < low,
        "ap": low <= instant < high,
    }[prefix]


MATCHES: dict[Kind, Match] = {
    "token": token,
    "string": string,
    "date": date,
    "reference": reference,
    "quantity": quantity,
    "uri": uri,
}

"""One search parameter as an SQL condition over `resource r` and the index tables.

https://hl7.org/fhir/R4/search.html. Values are always arguments; only names of ours become SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from exchange.model.errors import ExchangeError
from exchange.repository.storage.dates import span
from exchange.repository.storage.parameters import Kind, Parameter, fold, hash32, token_key

TABLES: dict[Kind, str] = {
    "token": "index_token",
    "string": "index_string",
    "date": "index_date",
    "reference": "index_reference",
    "quantity": "index_quantity",
}
MODIFIERS: dict[Kind, frozenset[str]] = {
    "token": frozenset({"", "not", "missing"}),
    "string": frozenset({"", "exact", "contains", "missing"}),
    "date": frozenset({"", "missing"}),
    "reference": frozenset({"", "missing"}),
    "quantity": frozenset({"", "missing"}),
}
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)\Z", re.DOTALL)
_SPLIT = re.compile(r"(?<!\\),")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]{1,9}")


class BadSearch(ExchangeError):
    """A search that cannot be carried out as written; the message names the parameter, never the value."""

    http_status = 400
    issue_code = "invalid"


@dataclass(slots=True)
class Arguments:
    """Values of a statement under construction, by the names it uses for them."""

    values: dict[str, Any] = field(default_factory=dict)

    def add(self, value: Any) -> str:
        """The placeholder that stands for `value`."""
        name = f"a{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parameter with its modifier and the values of which one must match."""

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]
    at: datetime


def split_values(text: str) -> tuple[str, ...]:
    r"""Values separated by commas; a backslash takes `,` `|` `$` and itself literally.

    >>> split_values(r"a,b\,c")
    ('a', 'b\\,c')
    """
    return tuple(_SPLIT.split(text))


def whole_number(name: str, text: str) -> int:
    """The value of a parameter that counts; raises BadSearch for any that is no number, or beyond all use.

    >>> whole_number("_count", "20")
    20
    """
    if not _WHOLE.fullmatch(text):
        raise BadSearch(f"{name} is a number of at most nine digits")
    return int(text)


def unescape(text: str) -> str:
    r"""Without the backslashes that protected separators.

    >>> unescape(r"b\,c")
    'b,c'
    """
    return re.sub(r"\\([,|$\\])", r"\1", text)


def condition(criterion: Criterion, arguments: Arguments, patients: str | None) -> str:
    """SQL that holds for a row `r` that matches; `patients` is the placeholder of the patients searched."""
    parameter, modifier = criterion.parameter, criterion.modifier
    if modifier not in MODIFIERS[parameter.kind]:
        raise BadSearch(f"{parameter.name} has no modifier :{modifier}")
    own = f"x.rid = r.rid AND x.param = {arguments.add(parameter.key)}"
    if patients is not None:
        own += f" AND x.patient = ANY({patients})"
    if modifier == "missing":
        return _missing(criterion, own)
    match = _MATCHERS[parameter.kind]
    either = " OR ".join(f"({match(value, criterion, arguments)})" for value in criterion.values)
    negation = "NOT " if modifier == "not" else ""
    return f"{negation}EXISTS (SELECT FROM {TABLES[parameter.kind]} x WHERE {own} AND ({either}))"


def _missing(criterion: Criterion, own: str) -> str:
    if criterion.values not in (("true",), ("false",)):
        raise BadSearch(f"{criterion.parameter.name}:missing is true or false")
    negation = "NOT " if criterion.values == ("true",) else ""
    return f"{negation}EXISTS (SELECT FROM {TABLES[criterion.parameter.kind]} x WHERE {own})"


def _token(value: str, criterion: Criterion, arguments: Arguments) -> str:
    system, bar, code = _split_bar(value)
    if not code:
        if not system:
            raise BadSearch(f"{criterion.parameter.name} needs a code or a system")
        return f"x.system = {arguments.add(hash32(system))}"
    key = f"x.key = {arguments.add(token_key(criterion.parameter.key, code))}"
    return f"{key} AND x.system = {arguments.add(hash32(system))}" if bar else key


def _split_bar(value: str) -> tuple[str, bool, str]:
    parts = re.split(r"(?<!\\)\|", value, maxsplit=1)
    if len(parts) == 1:
        return "", False, unescape(parts[0])
    return unescape(parts[0]), True, unescape(parts[1])


def _string(value: str, criterion: Criterion, arguments: Arguments) -> str:
    text = unescape(value)
    folded = arguments.add(fold(text))
    if criterion.modifier == "exact":
        return f"x.value = {folded} AND x.original = {arguments.add(text)}"
    if criterion.modifier == "contains":
        return f"strpos(x.value, {folded}) > 0"
    return f"x.value >= {folded} AND x.value < {folded} || {arguments.add(chr(0x10FFFF))}"


def _date(value: str, criterion: Criterion, arguments: Arguments) -> str:
    prefix, text = _prefixed(value)
    try:
        low, high = span(text)
        if prefix == "ap":
            margin = max(abs(criterion.at - low) / 10, timedelta(days=1))
            low, high = low - margin, high + margin
    except (ValueError, OverflowError):
        raise BadSearch(f"{criterion.parameter.name} is not a date") from None
    return compare_span("x.low", "x.high", prefix, arguments.add(low), arguments.add(high))


def compare_span(low: str, high: str, prefix: str, from_: str, until: str) -> str:
    """SQL comparing the half-open span of a row with that of the searched value, by prefix."""
    inside = f"{low} >= {from_} AND {high} <= {until}"
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


def _prefixed(value: str) -> tuple[str, str]:
    match = _PREFIXED.match(value)
    if match is None:
        return "eq", ""
    return match[1] or "eq", match[2]


def _quantity(value: str, criterion: Criterion, arguments: Arguments) -> str:
    prefix, text = _prefixed(value)
    number, _, rest = text.partition("|")
    system, _, unit = rest.partition("|")
    if not _NUMBER.fullmatch(number):
        raise BadSearch(f"{criterion.parameter.name} is not a number")
    found = _compare_number(prefix, float(number), _half_step(number), arguments)
    if unit:
        found += f" AND x.unit = {arguments.add(hash32(unescape(unit)))}"
    if unit and system:
        found += f" AND x.system = {arguments.add(hash32(unescape(system)))}"
    return found


def _half_step(number: str) -> float:
    """Half of what the last digit written stands for: 5.40 means 5.395 up to 5.405."""
    mantissa, _, exponent = number.lower().partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _compare_number(prefix: str, number: float, half: float, arguments: Arguments) -> str:
    if prefix in ("eq", "ne", "ap"):
        half = abs(number) / 10 if prefix == "ap" else half
        inside = f"x.value >= {arguments.add(number - half)} AND x.value < {arguments.add(number + half)}"
        return f"NOT ({inside})" if prefix == "ne" else inside
    sign = {"gt": ">", "sa": ">", "lt": "<", "eb": "<", "ge": ">=", "le": "<="}[prefix]
    return f"x.value {sign} {arguments.add(number)}"


def _reference(value: str, criterion: Criterion, arguments: Arguments) -> str:
    target = reference_id(value)
    return f"x.target = {arguments.add(target)}" if target else "false"


def reference_id(value: str) -> UUID | None:
    """Id of a reference in any of its forms; None when it cannot be one of ours.

    >>> str(reference_id("https://fhir.example/Patient/1d830953-d517-5a36-862f-b15a3888a7c0"))
    '1d830953-d517-5a36-862f-b15a3888a7c0'
    """
    try:
        return UUID(unescape(value).rpartition("/")[2])
    except ValueError:
        return None


def ids_of(values: Sequence[str]) -> list[UUID]:
    """Those of the values that can be ids of ours."""
    return [found for found in map(reference_id, values) if found]


def updated_condition(values: Sequence[str], arguments: Arguments) -> str:
    """SQL for `_lastUpdated`."""
    spans = [_instants(value) for value in values]
    either = [
        compare_span("r.updated", "r.updated", prefix, arguments.add(low), arguments.add(high))
        for prefix, low, high in spans
    ]
    return f"({' OR '.join(either)})"


def matches_instant(instant: datetime, value: str) -> bool:
    """The same for an instant that no table holds.

    >>> matches_instant(datetime.fromisoformat("2026-11-23T09:00:00Z"), "ge2026-11-23")
    True
    """
    prefix, low, high = _instants(value)
    return {
        "eq": low <= instant <= high,
        "ne": not low <= instant <= high,
        "gt": instant > high,
        "lt": instant < low,
        "ge": instant >= low,
        "le": instant <= high,
        "sa": instant >= high,
        "eb": instant <= low,
        "ap": low < instant < high,
    }[prefix]


def _instants(value: str) -> tuple[str, datetime, datetime]:
    prefix, text = _prefixed(value)
    try:
        return prefix, *span(text)
    except (ValueError, OverflowError):
        raise BadSearch("_lastUpdated is a date with or without a prefix") from None


_MATCHERS: dict[Kind, Callable[[str, Criterion, Arguments], str]] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "reference": _reference,
    "quantity": _quantity,
}


def all_of(conditions: Sequence[str]) -> str:
    """SQL that holds when each does."""
    return " AND ".join(conditions) or "true"

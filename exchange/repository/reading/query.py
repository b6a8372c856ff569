"""A search as it was asked: parameters read and checked before anything is looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from exchange.repository.reading.criteria import Where, add, types_asked
from exchange.repository.reading.sorting import SortKey, sort_keys
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.storage.parameters import parameters

Parameters = Sequence[tuple[str, str]]
Summary = Literal["", "count", "data", "text", "true"]

DEFAULT_COUNT = 50
LARGEST_COUNT = 1000
ANY = "*"
_MOST_STEPS = 50
_MOST_CRITERIA = 30


@dataclass(frozen=True, slots=True)
class Form:
    """How much of each resource is wanted, as `_summary` and `_elements` say."""

    summary: Summary = ""
    elements: tuple[str, ...] = ()


WHOLE = Form()


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: whose parameter (`*`: any), and the type it is to lead to (empty: any).

    `iterate`: it also holds for what was included.
    """

    source: str
    parameter: str
    target: str
    reverse: bool
    iterate: bool = False

    @property
    def of_subject(self) -> bool:
        """Whether the parameter leads to the person a record is about."""
        return self.parameter != ANY and parameters()[self.source][self.parameter].subject


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched, at which path, and how the answer is to look; `unknown` names what is not served."""

    type: str
    path: str
    where: Where
    sort: tuple[SortKey, ...]
    count: int
    total: bool
    form: Form
    includes: tuple[Include, ...]
    unknown: tuple[str, ...]
    cursor: str | None
    asked: tuple[tuple[str, str], ...]

    @property
    def is_count(self) -> bool:
        """Whether nothing but the total is wanted; `_count=0` says the same as `_summary=count`."""
        return self.form.summary == "count" or self.count == 0


def parse_query(resource_type: str, asked: Parameters, at: datetime, compartment: str = "") -> Query:
    """Reads the parameters; raises BadSearch for a value that cannot be one.

    `compartment`: id of the Patient within whose records is searched.
    """
    where = Where(resource_type, at, patients=[(compartment,)] if compartment else [])
    unknown: list[str] = []
    special: dict[str, list[str]] = {}
    for name, value in asked:
        base, _, modifier = name.partition(":")
        if base in _SPECIAL and modifier in _SPECIAL[base]:
            special.setdefault(name, []).append(value)
        elif base not in _IGNORED and not add(where, name, value):
            unknown.append(name)
        _check_size(where)
    return Query(
        type=resource_type,
        path=f"Patient/{compartment}/{resource_type}" if compartment else resource_type,
        where=where,
        sort=sort_keys(resource_type, _sort(asked)),
        count=_count(special),
        total=_one_of(special, "_total", ("none", "accurate", "estimate")) != "none",
        form=_form(special),
        includes=_includes(special),
        unknown=tuple(unknown),
        cursor=_last(special, "_cursor", "") or None,
        asked=tuple(pair for pair in asked if pair[0] != "_cursor"),
    )


def parse_form(asked: Parameters) -> tuple[Form, tuple[str, ...]]:
    """The form in which one resource, or each of a history, is wanted, and the names of all else asked.

    https://hl7.org/fhir/R4/http.html#parameters
    """
    special: dict[str, list[str]] = {}
    for name, value in asked:
        special.setdefault(name, []).append(value)
    form = _form(special)
    if form.summary == "count":
        raise BadSearch("_summary=count asks how many a search finds")
    return form, tuple(name for name in special if name not in _OF_FORM)


_OF_FORM = ("_summary", "_elements")


def _form(special: dict[str, list[str]]) -> Form:
    elements = (name for value in special.get("_elements", ()) for name in value.split(","))
    return Form(_summary(special), tuple(filter(None, elements)))


def _check_size(where: Where) -> None:
    """Raises BadSearch for what would become a statement that is not planned within seconds."""
    if len(where.criteria) > _MOST_CRITERIA:
        raise BadSearch(f"a search has at most {_MOST_CRITERIA} parameters that must hold")
    if sum(1 for _ in types_asked(where)) > _MOST_STEPS:
        raise BadSearch(
            "chains and _has lead to too many types; name each, as in based-on:ServiceRequest.code"
        )


_ITERABLE = ("", "iterate", "recurse")
_SPECIAL = {
    "_sort": ("", "asc", "desc"),
    "_count": ("",),
    "_total": ("",),
    "_summary": ("",),
    "_elements": ("",),
    "_include": _ITERABLE,
    "_revinclude": _ITERABLE,
    "_cursor": ("",),
}
SHAPING = frozenset(_SPECIAL)
"""Parameters about the form of the answer, not about what must hold of what is found."""

_IGNORED = frozenset({"_format", "_pretty"})  # how to answer, not what


def _last(special: dict[str, list[str]], name: str, default: str) -> str:
    return special.get(name, [default])[-1]


def _sort(asked: Parameters) -> str:
    """The last `_sort`, or all as they were before R4 and fhir.js still writes them: `_sort:desc=date`."""
    plain = [value for name, value in asked if name == "_sort"]
    if plain:
        return plain[-1]
    former = {"_sort:asc": "", "_sort:desc": "-"}
    return ",".join(former[name] + value for name, value in asked if name in former and value)


def _one_of(special: dict[str, list[str]], name: str, valid: tuple[str, ...]) -> str:
    value = _last(special, name, valid[0])
    if value not in valid:
        raise BadSearch(f"{name} is one of {', '.join(valid)}")
    return value


def _summary(special: dict[str, list[str]]) -> Summary:
    value = _one_of(special, "_summary", ("false", "count", "data", "text", "true"))
    return cast("Summary", "" if value == "false" else value)


def _count(special: dict[str, list[str]]) -> int:
    text = _last(special, "_count", str(DEFAULT_COUNT))
    return min(whole_number("_count", text), LARGEST_COUNT)


def _includes(special: dict[str, list[str]]) -> tuple[Include, ...]:
    return tuple(
        _include(value, base == "_revinclude", bool(modifier))
        for name, values in special.items()
        for base, _, modifier in (name.partition(":"),)
        if base in ("_include", "_revinclude")
        for value in values
    )


def _include(value: str, reverse: bool, iterate: bool) -> Include:
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    if reverse and value == "Provenance:target":
        return Include(source, parameter, target, reverse)
    if value == ANY and not reverse:
        return Include(ANY, ANY, "", False, iterate)
    found = parameters().get(source, {}).get(parameter)
    if not (found and found.kind == "reference") and not (source in parameters() and parameter == ANY):
        raise BadSearch(
            "_include and _revinclude name a type and a reference parameter, as Observation:encounter"
        )
    return Include(source, parameter, target, reverse, iterate)

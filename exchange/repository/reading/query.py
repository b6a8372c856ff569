"""A search as it was asked: parameters read and checked before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange.repository.reading.conditions import BadSearch, Criterion, split_values, whole_number
from exchange.repository.storage.parameters import Parameter, parameters

Parameters = Sequence[tuple[str, str]]

PATIENT_PARAMETERS = ("patient", "subject", "beneficiary")
DEFAULT_COUNT = 50
LARGEST_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: whose parameter, and the type it is to lead to (empty: any)."""

    source: str
    parameter: str
    target: str
    reverse: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched; `ids`, `patients` and `updated` are the values of _id, patient and _lastUpdated,
    each entry one parameter whose values are alternatives. `unknown` names what this server does not serve.
    """

    type: str
    criteria: tuple[Criterion, ...]
    ids: tuple[tuple[str, ...], ...]
    patients: tuple[tuple[str, ...], ...]
    updated: tuple[tuple[str, ...], ...]
    about_nobody: bool | None
    sort: str
    descending: bool
    count: int
    total: bool
    summary: Literal["", "count", "data", "text"]
    elements: tuple[str, ...]
    includes: tuple[Include, ...]
    unknown: tuple[str, ...]
    cursor: str | None
    asked: tuple[tuple[str, str], ...]


def parse_query(resource_type: str, asked: Parameters, at: datetime) -> Query:
    """Reads the parameters; raises BadSearch for a value that cannot be one."""
    known = parameters().get(resource_type, {})
    criteria, unknown = [], []
    special: dict[str, list[str]] = {}
    for name, value in asked:
        base, _, modifier = name.partition(":")
        if base in _SPECIAL and (not modifier or base in ("_include", "_revinclude")):
            special.setdefault(base, []).append(value)
        elif base in PATIENT_PARAMETERS and _about_patients(resource_type):
            special.setdefault("patient:missing" if modifier == "missing" else "patient", []).append(value)
        elif base in known and value:
            criteria.append(Criterion(known[base], modifier, split_values(value), at))
        elif base not in _IGNORED:
            unknown.append(name)
    sort, descending = _sort(special, known)
    return Query(
        type=resource_type,
        criteria=tuple(criteria),
        ids=tuple(split_values(value) for value in special.get("_id", ())),
        patients=tuple(split_values(value) for value in special.get("patient", ())),
        updated=tuple(split_values(value) for value in special.get("_lastUpdated", ())),
        about_nobody=_last(special, "patient:missing", "") == "true"
        if "patient:missing" in special
        else None,
        sort=sort,
        descending=descending,
        count=_count(special),
        total=_one_of(special, "_total", ("none", "accurate")) == "accurate",
        summary=_summary(special),
        elements=tuple(e for value in special.get("_elements", ()) for e in value.split(",") if e),
        includes=_includes(special),
        unknown=tuple(unknown),
        cursor=_last(special, "_cursor", "") or None,
        asked=tuple(pair for pair in asked if pair[0] != "_cursor"),
    )


_SPECIAL = frozenset(
    [
        "_id",
        "_lastUpdated",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_include",
        "_revinclude",
        "_cursor",
    ]
)
_IGNORED = frozenset({"_format", "_pretty"})  # how to answer, not what


def _about_patients(resource_type: str) -> bool:
    return resource_type not in _ABOUT_NOBODY


_ABOUT_NOBODY = frozenset(
    {
        "Patient",
        "Organization",
        "Location",
        "Practitioner",
        "PractitionerRole",
        "HealthcareService",
        "Medication",
    }
)


def _last(special: dict[str, list[str]], name: str, default: str) -> str:
    return special.get(name, [default])[-1]


def _one_of(special: dict[str, list[str]], name: str, valid: tuple[str, ...]) -> str:
    value = _last(special, name, valid[0])
    if value not in valid:
        raise BadSearch(f"{name} is one of {', '.join(valid)}")
    return value


def _summary(special: dict[str, list[str]]) -> Literal["", "count", "data", "text"]:
    value = _one_of(special, "_summary", ("false", "count", "data", "text"))
    return "" if value == "false" else value  # type: ignore[return-value]


def _count(special: dict[str, list[str]]) -> int:
    text = _last(special, "_count", str(DEFAULT_COUNT))
    return min(whole_number("_count", text), LARGEST_COUNT)


def _sort(special: dict[str, list[str]], known: Mapping[str, Parameter]) -> tuple[str, bool]:
    text = _last(special, "_sort", "_id")
    name = text.removeprefix("-")
    valid = {"_id", "_lastUpdated", *(n for n, p in known.items() if p.kind == "date")}
    if name not in valid:
        raise BadSearch(f"_sort is one of {', '.join(sorted(valid))}, with - for descending")
    return name, text.startswith("-")


def _includes(special: dict[str, list[str]]) -> tuple[Include, ...]:
    return tuple(
        _include(value, reverse)
        for name, reverse in (("_include", False), ("_revinclude", True))
        for value in special.get(name, ())
    )


def _include(value: str, reverse: bool) -> Include:
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    served = parameter in PATIENT_PARAMETERS and _about_patients(source)
    found = parameters().get(source, {}).get(parameter)
    served = served or (found is not None and found.kind == "reference")
    if not (served or (reverse and value == "Provenance:target")):
        raise BadSearch(
            "_include and _revinclude name a type and a reference parameter, as Observation:encounter"
        )
    return Include(source, parameter, target, reverse)

"""US Core 6.1.0: what its profiles demand beyond R4, as warnings.

`us_core.csv` has one row per demand: in each object at `within`, one of `any_of` must be there, with one of
`codes` when codes are given; `when` limits it to resources with such a status or intent. The extension
data-absent-reason on the element counts as being there.
https://hl7.org/fhir/us/core/STU6.1/profiles-and-extensions.html
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from exchange.model.fhir_types import element_at, fhir_type
from exchange.model.records import Issue, Resource
from exchange.model.terms import DATA_ABSENT_REASON, SYSTEMS, US_CORE_PROFILE

_REQUIRED = re.compile(r"US Core requires (?P<names>.+?)(?: with the code .+)? \([a-z-]+\)")
_DATED = frozenset(
    f"us-core-observation-{name}" for name in ("lab", "clinical-result", "screening-assessment")
)
DAY = "2024-01-01"


@dataclass(frozen=True, slots=True)
class Demand:
    """One row of the table, with choices written out (`valueQuantity`, `valueString`, ...)."""

    profile: str
    within: tuple[str, ...]
    any_of: frozenset[str]
    codes: frozenset[tuple[str, str]]
    when: tuple[str, frozenset[str]] | None
    words: str

    def is_plain(self) -> bool:
        """Whether one element of the resource itself must be there, always and with any content."""
        return not (self.within or self.codes or self.when) and len(self.any_of) == 1

    def concerns(self, resource: Resource) -> bool:
        """Whether the resource is one that `when` means."""
        return self.when is None or resource.get(self.when[0]) in self.when[1]


@cache
def demands() -> Mapping[str, Mapping[str, tuple[Demand, ...]]]:
    """Demands by resource type and profile id."""
    out: dict[str, dict[str, tuple[Demand, ...]]] = {}
    with files("exchange.validation").joinpath("us_core.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            profiles = out.setdefault(row["type"], {})
            profiles[row["profile"]] = (*profiles.get(row["profile"], ()), _demand(row))
    return out


def _demand(row: Mapping[str, str]) -> Demand:
    within = tuple(row["within"].split(".")) if row["within"] else ()
    element = element_at(".".join((row["type"], *within))) if within else None
    names = frozenset(
        n for name in row["any_of"].split() for n in _forms(element.type if element else row["type"], name)
    )
    codes = frozenset((s, c) for s, _, c in (code.partition("|") for code in row["codes"].split()))
    words = " or ".join(row["any_of"].split())
    if codes:
        words += f" with the code {' or '.join(sorted(code for _, code in codes))}"
    element_name, _, values = row["when"].partition("=")
    when = (element_name, frozenset(values.split())) if values else None
    return Demand(row["profile"], within, names, codes, when, f"US Core requires {words}")


def _forms(type_name: str, name: str) -> Iterator[str]:
    group = name.removesuffix("[x]")
    for element in fhir_type(type_name).elements.values():
        if element.name == name or (group != name and element.choice == group):
            yield element.name


def missing_elements(issue: Issue) -> tuple[str, ...]:
    """The elements of which one must be there, where a finding says that of its expression.

    >>> words = "US Core requires family or given (us-core-patient)"
    >>> missing_elements(Issue("warning", "required", words, "Patient.name[0]"))
    ('family', 'given')
    """
    found = _REQUIRED.fullmatch(issue.detail)
    if found is None:
        return ()
    at = re.sub(r"\[\d+\]", "", issue.expression)
    element = element_at(at)
    type_ = element.type if element else at
    return tuple(form for name in found["names"].split(" or ") for form in _forms(type_, name))


def us_core_issues(resource: Resource) -> Iterator[Issue]:
    """Warnings for the profiles in meta.profile; with none there, for the only profile of the type."""
    type_ = resource["resourceType"]
    profiles, plain, wanted, others = _wanted(type_, tuple(resource.get("meta", {}).get("profile", ())))
    for demand in others if plain <= resource.keys() else wanted:
        if demand.concerns(resource) and not _is_met(resource, demand):
            for place, node in _nodes(resource, demand.within, type_):
                if not _met(node, demand):
                    yield Issue("warning", "required", f"{demand.words} ({demand.profile})", place)
    if is_dated(profiles) and len(resource.get("effectiveDateTime", DAY)) < len(DAY):
        yield Issue("warning", "value", "us-core-1: a time is known to the day", f"{type_}.effectiveDateTime")
    if type_ in ("Practitioner", "Organization"):
        yield from _npi_issues(resource, type_)


def profiles_of(type_: str, declared: Iterable[str | None]) -> tuple[str, ...]:
    """The profiles that count for a type and what `meta.profile` declares."""
    known = demands().get(type_, {})
    ids = [p.partition("|")[0].removeprefix(US_CORE_PROFILE) for p in declared if p]
    return tuple(i for i in ids if i in known) or (tuple(known) if len(known) == 1 else ())


def profiles_checked(type_: str) -> tuple[str, ...]:
    """URLs of the profiles that resources of a type are held against when they claim them.

    >>> profiles_checked("Patient")
    ('http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient',)
    """
    return tuple(f"{US_CORE_PROFILE}{name}" for name in sorted(demands().get(type_, {})))


def is_dated(profiles: Iterable[str]) -> bool:
    """Whether us-core-1 holds for what claims these profiles."""
    return not _DATED.isdisjoint(profiles)


@lru_cache(maxsize=512)
def _wanted(
    type_: str, declared: tuple[str | None, ...]
) -> tuple[tuple[str, ...], frozenset[str], tuple[Demand, ...], tuple[Demand, ...]]:
    """The profiles that count for a type and what `meta.profile` declares, and what they demand.

    The names are those of elements that must be there, whatever they say; then all demands, and the others.
    """
    known = demands().get(type_, {})
    profiles = profiles_of(type_, declared)
    wanted = tuple(demand for profile in profiles for demand in known[profile])
    plain = frozenset(name for demand in wanted if demand.is_plain() for name in demand.any_of)
    return profiles, plain, wanted, tuple(demand for demand in wanted if not demand.is_plain())


def _is_met(resource: Resource, demand: Demand) -> bool:
    """Whether all objects at the demand's place meet it: places are named only where one does not."""
    nodes: list[Any] = [resource]
    for step in demand.within:
        values = [node[step] for node in nodes if step in node]
        lists = [value if type(value) is list else (value,) for value in values]
        nodes = [item for items in lists for item in items if isinstance(item, dict)]
    if not demand.codes:
        free = [node for node in nodes if demand.any_of.isdisjoint(node)]
        return not free or all(_met(node, demand) for node in free)
    return all(_met(node, demand) for node in nodes)


def _nodes(node: Any, path: tuple[str, ...], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path:
        yield where, node
        return
    below = node.get(path[0])
    if isinstance(below, dict):
        yield from _nodes(below, path[1:], f"{where}.{path[0]}")
    for index, item in enumerate(below if isinstance(below, list) else ()):
        if isinstance(item, dict):
            yield from _nodes(item, path[1:], f"{where}.{path[0]}[{index}]")


def _met(node: dict[str, Any], demand: Demand) -> bool:
    if demand.any_of.isdisjoint(node):
        return any(f"_{name}" in node for name in demand.any_of) or _is_absent(node)
    return not demand.codes or any(_coded(node[name], demand.codes) for name in demand.any_of & node.keys())


def _is_absent(node: dict[str, Any]) -> bool:
    return any(extension.get("url") == DATA_ABSENT_REASON for extension in node.get("extension", ()))


def _coded(value: Any, codes: frozenset[tuple[str, str]]) -> bool:
    concepts = value if isinstance(value, list) else [value]
    return any(
        (coding.get("system"), coding.get("code")) in codes
        for concept in concepts
        for coding in concept.get("coding", ())
    )


def _npi_issues(resource: Resource, where: str) -> Iterator[Issue]:
    for index, identifier in enumerate(resource.get("identifier", ())):
        if identifier.get("system") == SYSTEMS["npi"] and not is_npi(identifier.get("value", "")):
            words = "us-core-16, us-core-17: an NPI has 10 digits and a Luhn check digit"
            yield Issue("warning", "value", words, f"{where}.identifier[{index}].value")


def is_npi(value: str) -> bool:
    """Ten digits whose Luhn sum with the prefix 80840 is right (45 CFR 162.406).

    >>> is_npi("1234567893"), is_npi("1234567890")
    (True, False)
    """
    if len(value) != 10 or not (value.isascii() and value.isdecimal()):
        return False
    digits = [int(digit) for digit in f"80840{value}"][::-1]
    return (sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0

"""What must hold of a resource that is searched: a tree of parameters, read before anything is looked up.

https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from exchange.repository.reading.syntax import BadSearch, split_values
from exchange.repository.storage.parameters import Parameter, parameters, part_of

_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parameter with its modifier and the values of which one must match."""

    type: str
    parameter: Parameter
    modifier: str
    values: tuple[str, ...]
    at: datetime

    @property
    def asks_for_parts(self) -> bool:
        """Whether what is part of the records named, or what they are part of, is meant as well."""
        return self.parameter.kind == "reference" and self.modifier in ("above", "below")


@dataclass(frozen=True, slots=True)
class Chain:
    """`patient.name=…`: what is referred to must be as an alternative (one per type) says."""

    parameter: Parameter
    alternatives: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Reverse:
    """`_has:Observation:patient:code=…`: something as `where` says refers to it by the parameter."""

    parameter: Parameter
    where: Where


@dataclass(slots=True)
class Where:
    """All that must hold; `ids` and `updated` are the values of _id and _lastUpdated, `patients` those of
    parameters that lead to the person, each entry one parameter whose values are alternatives. `among`: of
    which Patients, by number, it is asked.
    """

    type: str
    at: datetime
    criteria: list[Criterion] = field(default_factory=list)
    ids: list[tuple[str, ...]] = field(default_factory=list)
    updated: list[tuple[str, ...]] = field(default_factory=list)
    patients: list[tuple[str, ...]] = field(default_factory=list)
    among: frozenset[int] | None = None
    about_nobody: bool | None = None
    chains: list[Chain] = field(default_factory=list)
    reverses: list[Reverse] = field(default_factory=list)


def add(where: Where, name: str, value: str, depth: int = 0) -> bool:
    """Adds what a parameter asks; False for one that is not served. Raises BadSearch."""
    if depth > _DEEPEST:
        raise BadSearch(f"a chain is at most {_DEEPEST} references long")
    if name.startswith("_has:"):
        return _add_reverse(where, name, value, depth)
    head, dot, rest = name.partition(".")
    if dot:
        return _add_chain(where, head, rest, value, depth)
    base, _, modifier = name.partition(":")
    if base in ("_id", "_lastUpdated"):
        return not modifier and _add_own(where, base, value)
    parameter = parameters().get(where.type, {}).get(base)
    if parameter is None or not value:
        return False
    return _add_plain(where, parameter, modifier, value)


def _add_own(where: Where, name: str, value: str) -> bool:
    (where.ids if name == "_id" else where.updated).append(split_values(value))
    return True


def _add_plain(where: Where, parameter: Parameter, modifier: str, value: str) -> bool:
    if not parameter.subject:
        where.criteria.append(Criterion(where.type, parameter, modifier, split_values(value), where.at))
    elif modifier == "missing":
        if value not in ("true", "false"):
            raise BadSearch(f"{parameter.name}:missing is true or false")
        where.about_nobody = value == "true"
    elif modifier in ("", "Patient") and not _other_subjects(parameter, value):
        where.patients.append(split_values(value))
    elif parameter.leads_to_others and modifier != "Patient" and (not modifier or modifier[0].isupper()):
        where.criteria.append(Criterion(where.type, parameter, modifier, split_values(value), where.at))
    else:
        raise BadSearch(f"{parameter.name} has no modifier :{modifier}")
    return True


def _other_subjects(parameter: Parameter, text: str) -> bool:
    """Whether the values name places or devices that a record is about; raises BadSearch for both at once."""
    if not parameter.leads_to_others:
        return False
    values = split_values(text)
    kinds = {value.split("/")[-2] for value in values if "/" in value} - {"Patient"}
    others = [value for value in values if "/" in value and value.split("/")[-2] in kinds]
    if others and len(others) < len(values):
        raise BadSearch(f"{parameter.name} asks for people or for others, not for both at once")
    return bool(others)


def _add_chain(where: Where, head: str, rest: str, value: str, depth: int) -> bool:
    base, _, named = head.partition(":")
    parameter = parameters().get(where.type, {}).get(base)
    if parameter is None or parameter.kind != "reference":
        return False
    possible = ("Patient",) if parameter.subject else parameter.targets or tuple(parameters())
    targets = [t for t in possible if t in parameters() and named in ("", t)]
    alternatives = []
    for target in targets:
        found = Where(target, where.at)
        if add(found, rest, value, depth + 1):
            alternatives.append(found)
    if alternatives:
        where.chains.append(Chain(parameter, tuple(alternatives)))
    return bool(alternatives)


def _add_reverse(where: Where, name: str, value: str, depth: int) -> bool:
    _, source, reference, rest = (*name.split(":", 3), "", "", "")[:4]
    parameter = parameters().get(source, {}).get(reference)
    if parameter is None or parameter.kind != "reference":
        return False
    targets = ("Patient",) if parameter.subject else parameter.targets
    found = Where(source, where.at)
    if (targets and where.type not in targets) or not add(found, rest, value, depth + 1):
        return False
    where.reverses.append(Reverse(parameter, found))
    return True


def types_asked(where: Where) -> Iterator[str]:
    """Types of which the chains, `_has` and what is part of what ask something."""
    yield from (kind for c in where.criteria if c.asks_for_parts for kind in kinds_with_parts(c))
    inner: Iterable[Where] = [
        *(w for chain in where.chains for w in chain.alternatives),
        *(reverse.where for reverse in where.reverses),
    ]
    for found in inner:
        yield found.type
        yield from types_asked(found)


def kinds_with_parts(criterion: Criterion) -> list[str]:
    """The types with parts that the values of a reference may be of."""
    named = {value.rsplit("/", 2)[-2] for value in criterion.values if "/" in value}
    possible = criterion.parameter.targets or tuple(parameters())
    return [kind for kind in possible if part_of(kind) and (not named or kind in named)]

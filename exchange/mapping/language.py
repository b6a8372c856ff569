"""A map after loading: what compilation needs to know, with nothing left to look up in files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import cache
from typing import Any

from exchange.mapping.codes import CodeMap
from exchange.mapping.content import Node
from exchange.mapping.paths.grammar import Grammar
from exchange.mapping.source import Write
from exchange.model.records import Format

_FRAGMENT = re.compile(r"\([^)]*\)|(?<=\.)_|\.\$\w+")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a map: what a trace, an issue and a report say about it."""

    element: str
    expression: str
    place: str
    paths: tuple[str, ...]
    calls: tuple[str, ...]
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """One map's names; `entries` maps an entry to its resource type, `places` to the kind of its places.

    `sender` holds what a row may say of the partner, by name.
    """

    format: Format
    grammar: Grammar
    sender: Mapping[str, str | None]
    zone: tzinfo
    values: Mapping[str, Node]
    types: Mapping[str, Node]
    entries: Mapping[str, str]
    codes: Mapping[str, CodeMap]
    groups: frozenset[str] = frozenset()
    targets: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in a map and in the target an expression stands; `place` is the kind of place around it.

    `around` is the path of that place, seen from the place of the entry.
    """

    node: Node
    element: str
    entry: str = ""
    depth: int = 0
    paths: tuple[str, ...] = ()
    place: str = ""
    around: str = ""

    def at(self, node: Node, element: str | None = None) -> Spot:
        """Another value of the map in the same surroundings."""
        return replace(self, node=node, element=self.element if element is None else element)

    @property
    def position(self) -> str:
        """Source paths of the row, for issues."""
        return ", ".join(self.paths)

    @property
    def expression(self) -> str:
        """The element as FHIRPath has it, for issues."""
        return plain_element(self.element)


@cache
def plain_element(element: str) -> str:
    """An element of a map without the fragments that make it and the switches it stands under.

    >>> plain_element("Patient.identifier(CX)._value.extension")
    'Patient.identifier.value.extension'
    """
    return _FRAGMENT.sub("", element)


def path_below(around: str, path: str, format_: Format) -> str:
    """A path inside the place of another, seen from where that one starts.

    >>> path_below("PID-3[*]", ".4", "hl7v2"), path_below("name", "given", "ccda")
    ('PID-3[*].4', 'name/given')
    """
    if not around or path.startswith("/") or format_ == "delimited":
        return path
    if format_ == "hl7v2":
        return around + path if path.startswith(".") else path
    return around if path == "." else f"{around}{'/' if format_ == 'ccda' else '.'}{path}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What writes a value, and what is known of it: always the same `value`, perhaps a list."""

    write: Write
    constant: bool
    many: bool
    value: Any = None


@dataclass(frozen=True, slots=True)
class Field:
    """An element by name, dotted where it lies deeper."""

    name: str
    compiled: Compiled

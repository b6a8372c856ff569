"""Which codes are above or below which, in the code systems that R4 itself publishes.

https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files


def related(systems: Collection[str], code: str, way: str) -> Mapping[str, frozenset[str]]:
    """By those of the systems that know it, the code and all above or below it.

    >>> clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    >>> sorted(related([clinical], "inactive", "below")[clinical])
    ['inactive', 'remission', 'resolved']
    >>> related(["http://loinc.org"], "2345-7", "below")
    {}
    """
    trees = {name: tree for name, tree in _trees().items() if code in tree and name in systems}
    return {
        name: frozenset(_reached(code, tree if way == "below" else _turned(tree)))
        for name, tree in trees.items()
    }


def _reached(start: str, edges: Mapping[str, Collection[str]]) -> set[str]:
    """What can be come to, the start among it."""
    found, wave = {start}, {start}
    while wave:
        wave = {one for code in wave for one in edges.get(code, ())} - found
        found |= wave
    return found


def _turned(edges: Mapping[str, Collection[str]]) -> Mapping[str, Collection[str]]:
    above: dict[str, list[str]] = {}
    for parent, codes in edges.items():
        for code in codes:
            above.setdefault(code, []).append(parent)
    return above


@cache
def _trees() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """By system, of each code those directly below it."""
    table = files("exchange.repository.reading").joinpath("hierarchies.csv").read_text("utf-8")
    found: dict[str, dict[str, frozenset[str]]] = {}
    for row in csv.DictReader(table.splitlines()):
        codes = frozenset(row["below"].split())
        own = found.setdefault(row["system"], {})
        own[row["code"]] = own.get(row["code"], frozenset()) | codes
        for code in codes:
            own.setdefault(code, frozenset())
    return found

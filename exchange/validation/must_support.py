"""US Core 6.1.0's must-support elements, and which of them resources fill.

`us_core_must_support.csv` has one row per element of a profile that the published definitions mark,
slices and extensions left out. https://hl7.org/fhir/us/core/STU6.1/must-support.html
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from exchange.model.records import Resource
from exchange.model.terms import US_CORE_PROFILE


@cache
def must_supports() -> Mapping[str, tuple[str, ...]]:
    """Elements (`Patient.name.family`, `Observation.value[x]`) by profile id."""
    out: dict[str, tuple[str, ...]] = {}
    with files("exchange.validation").joinpath("us_core_must_support.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            out[row["profile"]] = (*out.get(row["profile"], ()), row["element"])
    return out


def never_filled(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """By profile claimed: its must-support elements that not one of the resources claiming it fills."""
    open_: dict[str, list[str]] = {}
    for resource in resources:
        for profile in resource.get("meta", {}).get("profile", ()):
            name = profile.removeprefix(US_CORE_PROFILE).partition("|")[0]
            if name in must_supports():
                waiting = open_.get(name, list(must_supports()[name]))
                open_[name] = [path for path in waiting if not _fills(resource, path.split(".")[1:])]
    return {name: paths for name, paths in sorted(open_.items()) if paths}


def _fills(node: Any, steps: list[str]) -> bool:
    if not steps:
        return node is not None
    if isinstance(node, list):
        return any(_fills(item, steps) for item in node)
    if not isinstance(node, dict):
        return False
    first, rest = steps[0], steps[1:]
    if not first.endswith("[x]"):
        return first in node and _fills(node[first], rest)
    stem = first.removesuffix("[x]")
    return any(name.startswith(stem) and name[len(stem) :][:1].isupper() for name in node)

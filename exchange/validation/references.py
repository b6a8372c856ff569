"""Do the references between resources resolve?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from exchange.model.records import Issue, Resource


def check_references(resources: Iterable[Resource], known: Callable[[str], bool]) -> tuple[Issue, ...]:
    """Warnings for literal references to nothing among `resources` and, by `Type/id`, nothing `known`.

    Contained, logical (identifier only) and absolute references to other servers are left alone.
    """
    batch = list(resources)
    here = {f"{r['resourceType']}/{r.get('id')}" for r in batch}
    return tuple(
        Issue("warning", "not-found", "refers to a resource that is not known here", place)
        for resource in batch
        for place, reference in _literals(resource, resource["resourceType"])
        if not (reference in here or known(reference))
    )


def _literals(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Relative references with their expressions; the version of `Type/id/_history/v` left off."""
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str) and reference[0] != "#" and ":" not in reference:
            yield f"{where}.reference", reference.partition("/_history/")[0]
        for name, value in node.items():
            yield from _literals(value, f"{where}.{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _literals(item, f"{where}[{index}]")

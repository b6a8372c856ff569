"""Two outputs of the same record, compared in FHIR terms: elements and counts, no value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from exchange.model.records import Mapped, Resource

Change = tuple[Literal["appears", "vanishes", "fills", "empties", "changes", "issue", "no issue"], str]
"""What happens, to which element, type or issue."""


def changes(old: Mapped, new: Mapped) -> Iterator[Change]:
    """Each change once per resource (or once per record for an issue)."""
    before, after = _by_id(old), _by_id(new)
    for reference in before.keys() | after.keys():
        one, other = before.get(reference), after.get(reference)
        if one is None or other is None:
            yield ("appears" if one is None else "vanishes"), reference.partition("/")[0]
        elif one != other:
            yield from _changed(one, other)
    joined, apart = set(new.merges) - set(old.merges), set(old.merges) - set(new.merges)
    yield from (("appears", f"Merge of {merge.loser.partition('/')[0]}") for merge in joined)
    yield from (("vanishes", f"Merge of {merge.loser.partition('/')[0]}") for merge in apart)
    ours, theirs = _issues(old), _issues(new)
    yield from (("issue", text) for text in sorted(theirs - ours))
    yield from (("no issue", text) for text in sorted(ours - theirs))


def _by_id(mapped: Mapped) -> dict[str, Resource]:
    kept = {f"{resource['resourceType']}/{resource['id']}": resource for resource in mapped.resources}
    gone: dict[str, Resource] = {
        f"Deletion of {reference.partition('/')[0]}/{reference}": {} for reference in mapped.deleted
    }
    return {**kept, **gone}


def _issues(mapped: Mapped) -> set[str]:
    return {
        f"{issue.severity} {issue.expression}: {issue.detail}".replace(" :", ":") for issue in mapped.issues
    }


def _changed(one: Resource, other: Resource) -> Iterator[Change]:
    before, after = _leaves(one), _leaves(other)
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            yield "fills", path
        elif path not in after:
            yield "empties", path
        elif before[path] != after[path]:
            yield "changes", path


def _leaves(resource: Resource) -> dict[str, list[Any]]:
    """Values in order by element path without list indexes."""
    found: dict[str, list[Any]] = {}
    for path, value in _walk(resource, resource["resourceType"]):
        found.setdefault(path, []).append(value)
    return found


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _walk(value, f"{path}.{name}")
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item, path)
    else:
        yield path, node

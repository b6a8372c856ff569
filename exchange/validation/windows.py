"""A large resource in parts: jsonschema-rs gathers all errors, with copies, before it gives the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from exchange.model.records import Resource

LONG = 1000
"""Items of a list that are read at a time."""
Path = tuple[str | int, ...]
Moved = Callable[[Sequence[str | int]], Path | None]
"""The path in the whole resource of a path in a part; None where another part tells of it."""


def parts(resource: Resource) -> Iterator[tuple[Resource, Moved]]:
    """The resource with its long lists cut, then with one stretch after the other in their place."""
    long = list(_long_lists(resource, ()))
    if not long:
        yield resource, tuple
        return
    short = _cut(resource)
    yield short, tuple
    for path, items in long:
        for start in range(LONG, len(items), LONG):
            yield _put(short, path, _cut(items[start : start + LONG])), partial(_moved, path, start)


def _long_lists(node: Any, at: Path) -> Iterator[tuple[Path, list[Any]]]:
    """Those that are in what is left when the ones around them are cut."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _long_lists(value, (*at, name))
    elif isinstance(node, list):
        if len(node) > LONG:
            yield at, node
        for index, item in enumerate(node[:LONG]):
            yield from _long_lists(item, (*at, index))


def _cut(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _cut(value) for name, value in node.items()}
    return [_cut(item) for item in node[:LONG]] if isinstance(node, list) else node


def _put(node: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    changed = node.copy()
    changed[path[0]] = _put(node[path[0]], path[1:], value)
    return changed


def _moved(path: Path, start: int, found: Sequence[str | int]) -> Path | None:
    """
    >>> _moved(("name",), 1000, ["name", 7, "use"]), _moved(("name",), 1000, ["gender"])
    (('name', 1007, 'use'), None)
    """
    depth = len(path)
    if tuple(found[:depth]) != path or len(found) == depth:
        return None
    return (*path, int(found[depth]) + start, *found[depth + 1 :])

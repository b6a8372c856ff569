"""What a resource says in passing of another, a name or a number: told only to those who see that other.

Whether the other is hidden or was never sent makes no difference, or its presence would show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from exchange.repository.reading.reader import Reader, Shown, select
from exchange.repository.storage.moments import renamed

_LOCAL = r"[A-Z][A-Za-z]+/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAME = re.compile(rf"({_LOCAL})(?:/|$)")
# Most references stand alone in their object: only bodies with one that does not are looked into.
_WORDED = re.compile(rf'[^{{]"reference":"{_LOCAL}|"reference":"{_LOCAL}[^"]*"[^}}]'.encode())
_BARE = frozenset({"reference", "type"})


def without_hearsay(reader: Reader, rows: Sequence[Shown]) -> list[Shown]:
    """The rows, a reference to what this viewer does not see whole reduced to where it leads."""
    bodies = {row.rid: orjson.loads(row.body) for row in rows if _WORDED.search(row.body)}
    named = {name for body in bodies.values() for name in _worded(body)}
    if not named:
        return list(rows)
    hidden = named - _seen_whole(reader, sorted(named))
    told = {
        rid: orjson.dumps(_reduced(body, hidden.__contains__))
        for rid, body in bodies.items()
        if not hidden.isdisjoint(_worded(body))
    }
    return [row._replace(body=told.get(row.rid, row.body)) for row in rows]


def told_of(reader: Reader, given: Mapping[int, tuple[bytes, frozenset[str]]]) -> dict[int, bytes]:
    """The same for bodies as they were served; with each the `Type/id` that may be worded in it anyway."""
    bodies = {n: orjson.loads(body) for n, (body, _) in given.items() if _WORDED.search(body)}
    named = {name for body in bodies.values() for name in _worded(body)}
    hidden = named - _seen_whole(reader, sorted(named)) if named else set()
    told = {n: body for n, (body, _) in given.items()}
    for number, body in bodies.items():
        here = hidden - given[number][1]
        if not here.isdisjoint(_worded(body)):
            _, told[number] = renamed(orjson.dumps(_reduced(body, here.__contains__)))
    return told


def _seen_whole(reader: Reader, names: Sequence[str]) -> set[str]:
    """Which of `Type/id` the viewer sees unredacted: the words may be of the very element left out."""
    rows = select(
        reader,
        "SELECT r.type || '/' || r.fhir_id FROM unnest(%s::text[], %s::uuid[]) AS n (type, fhir_id)"
        " JOIN resource r ON r.type = n.type AND r.fhir_id = n.fhir_id AND r.rendition = 0",
        ([name.split("/")[0] for name in names], [name.split("/")[1] for name in names]),
    )
    return {row[0] for row in rows}


def _worded(node: Any) -> Iterator[str]:
    """`Type/id` of every reference that says more than where it leads."""
    if isinstance(node, dict):
        name = _name(node)
        if name and node.keys() - _BARE:
            yield name
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from _worded(value)
    elif isinstance(node, list):
        for value in node:
            yield from _worded(value)


def _reduced(node: Any, is_hidden: Callable[[str], bool]) -> Any:
    """A copy of the node without what it says of hidden others.

    >>> _reduced([{"reference": f"Patient/{'0' * 8}-0000-0000-0000-{'0' * 12}", "display": "A"}], bool)
    [{'reference': 'Patient/00000000-0000-0000-0000-000000000000'}]
    """
    if isinstance(node, dict):
        name = _name(node)
        if name and is_hidden(name):
            return {key: value for key, value in node.items() if key in _BARE}
        return {key: _reduced(value, is_hidden) for key, value in node.items()}
    if isinstance(node, list):
        return [_reduced(value, is_hidden) for value in node]
    return node


def _name(node: dict[str, Any]) -> str | None:
    found = node.get("reference")
    local = _NAME.match(found) if isinstance(found, str) else None
    return local[1] if local else None

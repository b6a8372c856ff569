"""Where in a record that comes from of which a finding tells: lineage, asked for one element.

The fast path knows nothing of it. A record of which something is to be told is opened once more by maps
compiled with an observer, and only the resources in question are built again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson

from exchange.mapping.carried import Statement
from exchange.mapping.entries import ANY, Entry
from exchange.mapping.fhir import incoming
from exchange.mapping.language import Language, Row, plain_element
from exchange.mapping.load import FeedMap, Maps
from exchange.mapping.record import entries_for, open_record, position_of
from exchange.mapping.run import Run
from exchange.model.fhir import reference_to
from exchange.model.records import Resource, SourceRecord

Origin = Callable[[Resource, str, Sequence[str]], str]
"""(resource, expression, names of elements that are missing there) to a position in the record."""

_MOST = 3
"""Positions that are named where several gave what a finding is about."""
_INDEX = re.compile(r"\[\d+\]")
_STEP = re.compile(r"[^.\[\]]+")
_Traced = tuple[Row, str]


@dataclass(frozen=True, slots=True)
class _Built:
    """A resource made once more: where it stands in the record, and by element the rows that gave it.

    `entries` are those of the map that made it.
    """

    place: str
    given: Mapping[str, Sequence[_Traced]]
    entries: frozenset[str]


def origin_of(record: SourceRecord, observed: Maps, known: Sequence[Statement] = ()) -> Origin:
    """For findings about what the record became; `known` as for map_record.

    `observed` are maps compiled with the observer (`observed_maps`).
    """
    feed_map = observed.feeds[record.feed]
    language = feed_map.language
    sent = cache(lambda: orjson.loads(record.payload))
    builders = cache(lambda: _builders(feed_map, Run(record, None, observed.namespace), known))

    @lru_cache(maxsize=1)  # findings come resource by resource
    def built(reference: str) -> _Built | None:
        build = builders().get(reference)
        return None if build is None else build()

    def origin(resource: Resource, expression: str, missing: Sequence[str]) -> str:
        found = built(reference_to(resource))
        if found is None:
            return ""
        if language.format == "fhir_json" and not missing:
            path = ".".join(part for part in (found.place, expression.partition(".")[2]) if part)
            if path and _is_there(sent(), path):
                return path
        rows = _rows(found, resource, expression, missing, language)
        places = dict.fromkeys(position_of(row, at) for row, at in rows)
        return "; ".join(list(places)[:_MOST]) or found.place

    return origin


# --- what made a resource ---------------------------------------------------------------------------


def _builders(feed_map: FeedMap, run: Run, known: Sequence[Statement]) -> dict[str, Callable[[], _Built]]:
    """By `Type/id`: what makes the resource once more, at the place where it was made first."""
    root = open_record(feed_map, run, known)
    if run.record.format == "fhir_json":
        return _fhir_builders(feed_map, run)
    found: dict[str, Callable[[], _Built]] = {}
    for entry in entries_for(feed_map, root):
        for place in entry.places(root, run):
            for own in _ids(entry, place, run):
                build = _builder(entry, place, run, feed_map.language)
                found.setdefault(f"{entry.resource}/{own}", build)
    return found


def _ids(entry: Entry, place: Any, run: Run) -> Iterator[str]:
    """The id of what is made there, and that under which it stands apart."""
    own = entry.id_at(place, run)
    if own is not None:
        if entry.apart is not None:
            yield run.resource_id(entry.resource, f"{own}|{entry.apart(place, run)}")
        yield own


def _builder(entry: Entry, place: Any, run: Run, language: Language) -> Callable[[], _Built]:
    def build() -> _Built:
        run.traced, run.context = [], place
        entry.build(place, run)
        return _built(language.grammar.position(place), run, (entry,), language)

    return build


def _fhir_builders(feed_map: FeedMap, run: Run) -> dict[str, Callable[[], _Built]]:
    found = incoming(feed_map.fhir.to_r4(run.root), feed_map.fhir.keys, run)
    return {
        reference_to(resource): _fhir_builder(resource, own, place, run, feed_map)
        for resource, own, place in found.resources
    }


def _fhir_builder(
    resource: Resource, own: str, place: str, run: Run, feed_map: FeedMap
) -> Callable[[], _Built]:
    entries = feed_map.by_type.get(resource["resourceType"]) or feed_map.by_type.get(ANY, ())

    def build() -> _Built:
        run.turn_to(resource, own, place)
        run.traced = []
        for entry in entries:
            entry.build(resource, run)
        return _built(place, run, entries, feed_map.language)

    return build


def _built(place: str, run: Run, entries: Sequence[Entry], language: Language) -> _Built:
    given: dict[str, list[_Traced]] = {}
    for number, at in run.traced:
        row = language.rows[number]
        given.setdefault(plain_element(row.element), []).append((row, at or place))
    return _Built(place, given, frozenset(entry.name for entry in entries))


# --- which of it made an element --------------------------------------------------------------------


def _rows(
    found: _Built, resource: Resource, expression: str, missing: Sequence[str], language: Language
) -> Sequence[_Traced]:
    """The rows that gave the element, or what is in it; else those that could have; else what holds it."""
    element = _INDEX.sub("", expression)
    asked = [f"{expression}.{name}" for name in missing] or [expression]
    made = [each for one in asked for each in _given(found, resource, one)]
    if made:
        return made
    holder = expression if missing else expression.rpartition(".")[0]
    near = next((at for _, at in _given(found, resource, holder)), found.place)
    wanted = {_INDEX.sub("", one) for one in asked}
    could = [
        (row, near if row.paths[0].startswith(".") else found.place)
        for row in language.rows
        if row.entry in found.entries and row.paths and plain_element(row.element) in wanted
    ]
    return could or _around(found, element if missing else element.rpartition(".")[0])


def _given(found: _Built, resource: Resource, expression: str) -> list[_Traced]:
    element = _INDEX.sub("", expression)
    names = [element] if element in found.given else [n for n in found.given if n.startswith(f"{element}.")]
    return [each for name in names for each in _numbered(found.given[name], resource, expression, name)]


def _numbered(
    rows: Sequence[_Traced], resource: Resource, expression: str, element: str
) -> Sequence[_Traced]:
    """Of what an element got at several places that which stands at the indices; all where that is unsure."""
    if len(rows) < 2:
        return rows
    type_, *steps = element.split(".")
    places = list(_instances(resource, steps, type_))
    if len(places) != len(rows):
        return rows
    inside = (f"{expression}.", f"{expression}[")
    return [row for row, at in zip(rows, places, strict=True) if at == expression or at.startswith(inside)]


def _instances(node: Any, steps: Sequence[str], at: str) -> Iterator[str]:
    """Where an element stands in a resource, in order."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _instances(item, steps, f"{at}[{index}]")
    elif not steps:
        yield at
    elif isinstance(node, dict):
        below = node.get(steps[0], node.get(f"_{steps[0]}"))
        if below is not None:
            yield from _instances(below, steps[1:], f"{at}.{steps[0]}")


def _around(found: _Built, element: str) -> Sequence[_Traced]:
    """The rows that gave the element whole, or the nearest one around it."""
    if "." not in element:
        return ()
    return found.given.get(element) or _around(found, element.rpartition(".")[0])


def _is_there(node: Any, path: str) -> bool:
    """Whether the record as sent has something there: what STU3 calls otherwise it has not."""
    for step in _STEP.findall(path):
        if isinstance(node, list):
            node = node[int(step)] if step.isdecimal() and int(step) < len(node) else None
        else:
            node = node.get(step, node.get(f"_{step}")) if isinstance(node, dict) else None
    return node is not None

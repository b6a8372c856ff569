"""Readers put together into lists and objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from exchange.mapping.language import Compiled
from exchange.mapping.paths.grammar import Reader

REMEMBERED = 2000
"""Results kept at each place in a map for values met before: nothing mutates what a map gives."""
_UNKNOWN = object()
Content = Callable[[Any, Any], Hashable | None]
"""(place, the Run) to all that a reader can read there; None when that is not known."""
Fields = list[tuple[str, Reader, bool]]
"""Element name, its reader, whether the value is the same for every record."""


def guarded(condition: Reader, build: Reader) -> Reader:
    """Nothing where the condition does not hold."""

    def when(node: Any, run: Any) -> Any:
        value = condition(node, run)
        return build(node, run) if value is not None and value is not False else None

    return when


def remembered_by(content: Content, build: Reader) -> Reader:
    """The reader, run once for each content of a place; what left a note is not remembered.

    Where little comes again, it stops to remember: to look costs more than it spares.
    """
    known: dict[Hashable, Any] = {}
    asked = spared = 0
    worth = True

    def remembered(node: Any, run: Any) -> Any:
        nonlocal asked, spared, worth
        text = content(node, run) if worth else None
        if text is None:
            return build(node, run)
        asked += 1
        value = known.get(text, _UNKNOWN)
        if value is not _UNKNOWN:
            spared += 1
            return value
        if asked >= REMEMBERED:
            worth = spared * 4 > asked
            asked = spared = 0
            known.clear()
        notes = run.notes
        value = build(node, run)
        if run.notes == notes and worth:
            known[text] = value
        return value

    return remembered


def for_each(places: Reader, inner: Compiled) -> Reader:
    """A list of what each place gives."""
    build = inner.read

    def every(node: Any, run: Any) -> list[Any] | None:
        out = []
        for place in places(node, run):
            value = build(place, run)
            if value is not None:
                out.append(value)
        return out or None

    def flat(node: Any, run: Any) -> list[Any] | None:
        built = every(node, run)
        return None if built is None else [item for each in built for item in each]

    return flat if inner.many else every


def for_first(places: Reader, build: Reader) -> Reader:
    """What the first place gives that gives anything."""

    def first(node: Any, run: Any) -> Any:
        for place in places(node, run):
            value = build(place, run)
            if value is not None:
                return value
        return None

    return first


def concatenate(readers: list[Reader]) -> Reader:
    """One list of single values and lists."""

    def every(node: Any, run: Any) -> list[Any] | None:
        out: list[Any] = []
        for read in readers:
            value = read(node, run)
            if isinstance(value, list):
                out.extend(value)
            elif value is not None:
                out.append(value)
        return out or None

    return every


def shape(compiled: Compiled, as_list: bool) -> Reader:
    """The reader, giving a list or a single value as the element needs."""
    read = compiled.read
    if as_list and compiled.many:
        return _always_list(read)
    if as_list:

        def one(node: Any, run: Any) -> Any:
            value = read(node, run)
            return None if value is None else [value]

        return one
    return _first_of(read) if compiled.many else read


def _always_list(read: Reader) -> Reader:
    def listed(node: Any, run: Any) -> Any:
        value = read(node, run)
        return value if value is None or isinstance(value, list) else [value]

    return listed


def _first_of(read: Reader) -> Reader:
    def single(node: Any, run: Any) -> Any:
        value = read(node, run)
        return value[0] if isinstance(value, list) else value

    return single


def build_object(fields: Fields) -> Reader:
    """The object; None when no row that reads the source gave anything."""
    fixed = {name: read(None, None) for name, read, constant in fields if constant}
    rows = [(name, read) for name, read, constant in fields if not constant]
    if not rows:
        return lambda _node, _run: fixed

    def build(node: Any, run: Any) -> dict[str, Any] | None:
        out: dict[str, Any] | None = None
        for name, read in rows:
            value = read(node, run)
            if value is not None:
                if out is None:
                    out = fixed.copy()
                out[name] = value
        return out

    return build


def build_observed(fields: Fields) -> Reader:
    """As `build_object`, with the constants read again for each object so that they are seen."""
    build = build_object(fields)
    constants = [read for _, read, constant in fields if constant]

    def observed(node: Any, run: Any) -> Any:
        built = build(node, run)
        if built is not None:
            for read in constants:
                read(node, run)
        return built

    return observed

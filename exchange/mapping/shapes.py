"""Values put together into lists and objects, as source."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import ExitStack
from typing import Any

from exchange.mapping.language import Compiled, Field
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.source import Write, Writer

REMEMBERED = 2000
"""Results kept at each place in a map for values met before: nothing mutates what a map gives."""
UNKNOWN = object()
"""In the place of what is not remembered: nothing may be."""


def guarded(condition: Write, build: Write) -> Write:
    """Nothing where the condition does not hold."""

    def when(writer: Writer, at: str) -> str:
        test = writer.true(condition(writer, at))
        out = writer.new("None")
        with writer.block(f"if {test}"):
            writer.line(f"{out} = {build(writer, at)}")
        return out

    return when


class Remembered:
    """A reader, run once for each content of a place; what left a note is not remembered.

    Who asks looks with `get` first and counts what was `spared`. Where little comes again, it stops to
    remember (`worth` is False): to look costs more than it spares. `nothing` is made of nothing.
    """

    __slots__ = ("build", "get", "known", "missed", "nothing", "spared", "worth")

    def __init__(self, build: Reader) -> None:
        self.build = build
        self.known: dict[Hashable, Any] = {}
        self.get = self.known.get
        self.missed = self.spared = 0
        self.worth = True
        self.nothing: Any = UNKNOWN

    def read(self, node: Any, run: Any, content: Hashable) -> Any:
        """What the reader gives for content not met before."""
        self.missed += 1
        if self.missed >= REMEMBERED:
            self.worth = self.spared * 3 > self.missed
            self.missed = self.spared = 0
            self.known.clear()
        notes = run.notes
        value = self.build(node, run)
        if run.notes == notes and self.worth:
            self.known[content] = value
            if type(content) is tuple and not any(content):
                self.nothing = value
        return value


def for_each(places: Write, inner: Write, *, many: bool) -> Write:
    """A list of what each place gives; `many`: each may give a list."""

    def every(writer: Writer, at: str) -> str:
        found, out = places(writer, at), writer.new("[]")
        with writer.each(found) as place:
            value = inner(writer, place)
            if many:
                # A path of JSON gives a list only where there are several.
                with writer.block(f"if type({value}) is list"):
                    writer.line(f"{out}.extend({value})")
            with writer.block(f"{'elif' if many else 'if'} {value} is not None"):
                writer.line(f"{out}.append({value})")
        writer.line(f"{out} = {out} or None")
        return out

    return every


def for_first(places: Write, build: Write) -> Write:
    """What the first place gives that gives anything."""

    def first(writer: Writer, at: str) -> str:
        found, out = places(writer, at), writer.new("None")
        with writer.each(found) as place:
            writer.line(f"{out} = {build(writer, place)}")
            with writer.block(f"if {out} is not None"):
                writer.line("break")
        return out

    return first


def concatenate(items: list[Write]) -> Write:
    """One list of single values and lists."""

    def every(writer: Writer, at: str) -> str:
        out = writer.new("[]")
        for item in items:
            value = item(writer, at)
            with writer.block(f"if type({value}) is list"):
                writer.line(f"{out}.extend({value})")
            with writer.block(f"elif {value} is not None"):
                writer.line(f"{out}.append({value})")
        writer.line(f"{out} = {out} or None")
        return out

    return every


def shape(compiled: Compiled, as_list: bool) -> Write:
    """What gives a list or a single value as the element needs."""
    if as_list:
        test = " or type({0}) is list" if compiled.many else ""
        form = "{0} if {0} is None" + test + " else [{0}]"
    elif compiled.many:
        form = "({0}[0] if {0} else None) if type({0}) is list else {0}"
    else:
        return compiled.write

    def shaped(writer: Writer, at: str) -> str:
        return writer.new(form.format(compiled.write(writer, at)))

    return shaped


def build_object(fields: Iterable[Field], *, observed: bool) -> Write:
    """The object; None when no row that reads the source gave anything.

    To observers constants are written where the object is made, so that they are seen.
    """
    fixed = {field.name: field.compiled for field in fields if field.compiled.constant}
    rows = [field for field in fields if not field.compiled.constant]

    def build(writer: Writer, at: str) -> str:
        values = [(field.name, field.compiled.write(writer, at)) for field in rows]
        begin = ", ".join(f"{name!r}: {writer.literal(each.value)}" for name, each in fixed.items())
        out = writer.new("None")
        with ExitStack() as blocks:
            if values:
                there = " or ".join(f"{value} is not None" for _, value in values)
                blocks.enter_context(writer.block(f"if {there}"))
            if len(values) == 1:
                name, value = values[0]
                writer.line(f"{out} = {{{begin}{', ' if begin else ''}{name!r}: {value}}}")
            else:
                writer.line(f"{out} = {{{begin}}}")
                for name, value in values:
                    with writer.block(f"if {value} is not None"):
                        writer.line(f"{out}[{name!r}] = {value}")
            for constant in fixed.values() if observed else ():
                constant.write(writer, at)
        return out

    return build

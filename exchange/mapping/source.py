"""Maps as Python source: an entry becomes one plain function, where closures would call one another.

What a row of a map does is a `Write`: it adds statements to a Writer and gives the name that holds the value.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import RLock
from types import FunctionType
from typing import Any
from weakref import finalize

from exchange.mapping.paths.grammar import Reader

Write = Callable[["Writer", str], str]
"""(where to, name of the variable that holds the place) to the name of the variable that holds the value."""
TRUTH, TEXT = "truth", "text"
"""What is known of a variable: that it is True or False; that it is text or None."""


class Writer:
    """The statements of one function of a place, `at`, and the Run, `run`.

    What is computed `once` is known in its own block and in those within it.
    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._constants: dict[int, str] = {}
        self._lines: list[str | list[str]] = []
        self._depth = 1
        self._known: list[dict[Hashable, str]] = [{}]
        self._kinds: dict[str, str] = {}
        self._count = 0
        self._heads: dict[str, _Head] = {}
        self._head("at")

    def line(self, statement: str) -> None:
        """Adds a statement to the block that is open."""
        self._lines.append(" " * self._depth + statement)

    def new(self, value: str, kind: str = "") -> str:
        """A new variable that holds an expression's value."""
        self._count += 1
        name = f"v{self._count}"
        self.line(f"{name} = {value}")
        if kind:
            self._kinds[name] = kind
        return name

    @contextmanager
    def each(self, places: str) -> Iterator[str]:
        """Statements for each of the places: the variable that holds it."""
        self._count += 1
        place = f"at{self._count}"
        with self.block(f"for {place} in {places}"):
            self._head(place)
            yield place

    def _head(self, place: str) -> None:
        head = self._heads[place] = _Head(" " * self._depth)
        self._lines.append(head.lines)

    def of(self, place: str, value: str, kind: str = "") -> str:
        """A value that is the same wherever it is asked for of a place: written where that begins."""
        head = self._heads[place]
        value = value.format(place)
        if value not in head.known:
            self._count += 1
            name = head.known[value] = f"v{self._count}"
            head.lines.append(f"{head.indent}{name} = {value}")
            self._kinds[name] = kind
        return head.known[value]

    def constant(self, value: Any) -> str:
        """The name of a value that is the same for every record."""
        name = self._constants.setdefault(id(value), f"k{len(self.names)}")
        self.names[name] = value
        return name

    def literal(self, value: Any) -> str:
        """A constant as it is written in a display."""
        return repr(value) if type(value) in (str, bool, int) else self.constant(value)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Statements under `if …` or `for …`."""
        self.line(f"{head}:")
        self._depth += 1
        self._known.append({})
        begun = len(self._lines)
        yield
        if not any(self._lines[begun:]):
            self.line("pass")
        self._known.pop()
        self._depth -= 1

    def once(self, key: Hashable, write: Callable[[], str]) -> str:
        """The variable that holds what `key` stands for: written where it is not known yet."""
        for known in reversed(self._known):
            if key in known:
                return known[key]
        name = self._known[-1][key] = write()
        return name

    def knows(self, key: Hashable) -> bool:
        """Whether what is computed `once` is known here."""
        return any(key in known for known in self._known)

    def kind(self, name: str) -> str:
        """TRUTH or TEXT where that is known of a variable."""
        return self._kinds.get(name, "")

    def true(self, name: str) -> str:
        """The condition that a value is there and not false."""
        if name in self.names:
            value = self.names[name]
            return str(value is not None and value is not False)
        if self.kind(name) == TRUTH:
            return name
        return (
            f"{name} is not None"
            if self.kind(name) == TEXT
            else f"{name} is not None and {name} is not False"
        )

    def missing(self, names: Iterable[str]) -> str:
        """The condition that one of the values is not there; `` when none can be missing."""
        return " or ".join(f"{name} is None" for name in names if self.names.get(name) is None)

    def source(self, value: str) -> str:
        """The function that returns the value."""
        self.line(f"return {value}")
        lines = [line for part in self._lines for line in ([part] if isinstance(part, str) else part)]
        return "def read(at, run):\n" + "\n".join(lines) + "\n"


class _Head:
    """What stands where a place begins."""

    def __init__(self, indent: str) -> None:
        self.indent = indent
        self.lines: list[str] = []
        self.known: dict[str, str] = {}


_NUMBERS = count(1)
_ONE_AT_A_TIME = RLock()
_NOT_YET = compile("def read(at, run):\n return assemble()(at, run)\n", "<not assembled yet>", "exec")


def assembled(write: Write, label: str) -> Reader:
    """The function; `label` says in stack traces what it makes."""
    return _assembled(write, label, {})


def _assembled(write: Write, label: str, names: dict[str, Any]) -> FunctionType:
    writer = Writer()
    source = writer.source(write(writer, "at"))
    file = f"<map {label!r} {next(_NUMBERS)}>"
    names.update(writer.names)
    exec(compile(source, file, "exec"), names)  # noqa: S102 - what maps hold is passed as constants, not as source
    read: FunctionType = names["read"]
    # So that stack traces and debuggers show the lines, for as long as the function is there.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    finalize(read, linecache.cache.pop, file, None)
    return read


def reader(write: Write, label: str) -> Reader:
    """The function, assembled when it is first called: most of a map is never asked for in one process."""
    names: dict[str, Any] = {}
    exec(_NOT_YET, names)  # noqa: S102
    read: FunctionType = names["read"]

    is_waiting = True

    def assemble() -> Reader:
        nonlocal is_waiting
        with _ONE_AT_A_TIME:
            if is_waiting:
                # The names are the same ones: so nothing stands between who calls it and what was assembled.
                read.__code__ = _assembled(write, label, names).__code__
                is_waiting = False
        return read

    names["assemble"] = assemble
    return read


def called(read: Reader) -> Write:
    """What a reader gives."""
    return lambda writer, at: writer.new(f"{writer.constant(read)}({at}, run)")


def same(value: Any) -> Write:
    """A value that is the same for every record."""
    return lambda writer, _at: writer.constant(value)

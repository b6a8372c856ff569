"""The expressions of the map language, parsed: `PID-7 | date`, `MSH-9.2 in ("A01", "A04")`, `-> patient`.

choice := either [if either [else choice]]
either := both (or both)*
both := negated (and negated)*
negated := not negated | test
test := pipe [= pipe | != pipe | in (literals) | matches "…"]
pipe := primary (| name[(arguments)])*
primary := literal | <system> | $name | reference | (choice) | name(arguments) | path [as fragment]
reference := -> target[(key)] | -> *
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from exchange.mapping.content import Node

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(?![\w.])")
_BOOLEAN = re.compile(r"(true|false)(?![\w.:/@(\[*?-])")
_CALL = re.compile(r"([a-z_]+)\(")
_WORD = re.compile(r"(or|and|not|if|else|in|matches|as)\b")


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class System:
    name: str


@dataclass(frozen=True, slots=True)
class Path:
    text: str
    fragment: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """`$name`: an expression of the map's `values`, or a fact about the record (then a Context)."""

    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """A Named with its expression put in."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Context:
    """A fact about the record that is not in its content, or the number of a group."""

    name: str


@dataclass(frozen=True, slots=True)
class Ref:
    """`-> entry`, `-> entry(key)`, `-> Type(key)` made elsewhere, `-> *`: all made inside a place."""

    target: str
    key: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Both:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Expression


@dataclass(frozen=True, slots=True)
class Compare:
    left: Expression
    operator: str
    right: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    condition: Expression
    then: Expression
    otherwise: Expression | None


Expression = (
    Literal | System | Path | Named | Value | Context | Ref | Call | Either | Both | Not | Compare | Choice
)
MatchPath = Callable[[str, int], int]
"""End of the source path that begins at a position, or the position itself when none does."""


def parse(node: Node, match_path: MatchPath, field: str) -> Expression:
    """The expression of a scalar: `=text` and YAML numbers and booleans are literals."""
    if isinstance(node.value, (bool, int, float)):
        return Literal(node.value)
    text = node.text(field).strip()
    if text.startswith("="):
        return Literal(text[1:].strip())
    try:
        return _parsed(text, match_path)
    except _WrongExpression as wrong:
        raise node.fail(str(wrong), field) from None


# Fragments are compiled wherever they are used: of eight expressions, seven were read before.
@lru_cache(maxsize=1 << 14)
def _parsed(text: str, match_path: MatchPath) -> Expression:
    parser = _Parser(text, match_path)
    expression = parser.choice()
    parser.expect_end()
    return expression


class _WrongExpression(Exception):
    """What is wrong with a text, wherever it stands."""


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything it is made of."""
    yield expression
    for child in _children(expression):
        yield from walk(child)


def _children(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Ref(key=children) | Call(arguments=children) | Either(children) | Both(children):
            return children
        case Not(item) | Value(_, item):
            return (item,)
        case Compare(left, _, right):
            return (left, *right)
        case Choice(condition, then, otherwise):
            return (condition, then) if otherwise is None else (condition, then, otherwise)
        case _:
            return ()


class _Parser:
    """Recursive descent over one text; `at` is the next character to read."""

    def __init__(self, text: str, match_path: MatchPath) -> None:
        self.text, self.match_path = text, match_path
        self.at = 0

    def choice(self) -> Expression:
        then = self.either()
        if not self.word("if"):
            return then
        condition = self.either()
        return Choice(condition, then, self.choice() if self.word("else") else None)

    def either(self) -> Expression:
        items = [self.both()]
        while self.word("or"):
            items.append(self.both())
        return items[0] if len(items) == 1 else Either(tuple(items))

    def both(self) -> Expression:
        items = [self.negated()]
        while self.word("and"):
            items.append(self.negated())
        return items[0] if len(items) == 1 else Both(tuple(items))

    def negated(self) -> Expression:
        return Not(self.negated()) if self.word("not") else self.test()

    def test(self) -> Expression:
        left = self.pipe()
        if self.mark("!="):
            return Compare(left, "!=", (self.pipe(),))
        if self.mark("="):
            return Compare(left, "=", (self.pipe(),))
        if self.word("matches"):
            return Compare(left, "matches", (self.pipe(),))
        if self.word("in"):
            self.need("(")
            return Compare(left, "in", self.arguments())
        return left

    def pipe(self) -> Expression:
        value = self.primary()
        while self.mark("|"):
            name = self.name("a function")
            more = self.arguments() if self.mark("(") else ()
            value = Call(name, (value, *more))
        return value

    def primary(self) -> Expression:
        if self.mark("->"):
            if self.mark("*"):
                return Ref("*")
            target = self.name("an entry or a resource type")
            return Ref(target, self.arguments() if self.mark("(") else ())
        if self.mark("("):
            inner = self.choice()
            self.need(")")
            return inner
        if self.mark("$"):
            return Named(self.name("the name of a value"))
        return self.literal() or self.call_or_path()

    def literal(self) -> Expression | None:
        if self.mark("<"):
            name = self.text[self.at : self.text.find(">", self.at)]
            self.at += len(name)
            self.need(">")
            return System(name)
        if found := _STRING.match(self.text, self.at):
            self.at = found.end()
            text = found.group(1) if found.group(1) is not None else found.group(2)
            return Literal(text.replace("\\n", "\n"))
        if found := _BOOLEAN.match(self.text, self.at):
            self.at = found.end()
            return Literal(found.group() == "true")
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return Literal(float(found.group()) if found.group(1) else int(found.group()))
        return None

    def call_or_path(self) -> Expression:
        if found := _CALL.match(self.text, self.at):
            self.at = found.end()
            return Call(found.group(1), self.arguments())
        end = self.at if _WORD.match(self.text, self.at) else self.match_path(self.text, self.at)
        if end == self.at:
            literal = f"a constant (`={self.text}`)" if self.at == 0 else "a literal in quotes"
            raise self.error(f"a path, {literal} or a function is needed")
        path, self.at = self.text[self.at : end], end
        return Path(path, self.name("a fragment of `types`") if self.word("as") else None)

    def arguments(self) -> tuple[Expression, ...]:
        found = []
        while not self.mark(")"):
            found.append(self.choice())
            if not self.mark(","):
                self.need(")")
                break
        return tuple(found)

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def mark(self, mark: str) -> bool:
        self.skip()
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        self.skip()
        return found

    def word(self, word: str) -> bool:
        self.skip()
        found = _WORD.match(self.text, self.at)
        if found is None or found.group() != word:
            return False
        self.at = found.end()
        self.skip()
        return True

    def name(self, what: str) -> str:
        self.skip()
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self.error(f"{what} is needed")
        self.at = found.end()
        return found.group()

    def need(self, mark: str) -> None:
        if not self.mark(mark):
            raise self.error(f"`{mark}` is needed")

    def expect_end(self) -> None:
        self.skip()
        if self.at < len(self.text):
            raise self.error("this is too much")

    def error(self, message: str) -> Exception:
        return _WrongExpression(f"{message} at `{self.text[self.at :]}` in `{self.text}`")

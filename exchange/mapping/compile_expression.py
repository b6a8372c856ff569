"""Expressions become source: everything that can be looked up or checked is, before the first record."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.analysis import kind_of
from exchange.mapping.compile_calls import compile_call
from exchange.mapping.compile_references import compile_reference
from exchange.mapping.language import Language, Spot
from exchange.mapping.outcomes import check_compared
from exchange.mapping.paths.grammar import WrongPath
from exchange.mapping.source import TEXT, TRUTH, Write, Writer, called, same
from exchange.model.errors import ContentError
from exchange.model.terms import SYSTEMS

CompileFragment = Callable[[Language, ex.Path, Spot], Write]


def parse_expression(language: Language, spot: Spot) -> ex.Expression:
    """The expression at a spot with `$values` put in."""
    found = ex.parse(spot.node, language.grammar.match, spot.element)
    # Most expressions name no value: there is nothing to put in.
    return _inline(found, language, spot) if "$" in str(spot.node.value) else found


def _inline(expression: ex.Expression, language: Language, spot: Spot) -> ex.Expression:
    def inline(item: ex.Expression) -> ex.Expression:
        return _inline(item, language, spot)

    def inline_all(items: tuple[ex.Expression, ...]) -> tuple[ex.Expression, ...]:
        return tuple(inline(item) for item in items)

    match expression:
        case ex.Named(name):
            return _named(name, language, spot)
        case ex.Call(name, arguments):
            return ex.Call(name, inline_all(arguments))
        case ex.Ref(target, key):
            return ex.Ref(target, inline_all(key))
        case ex.Either(items):
            return ex.Either(inline_all(items))
        case ex.Both(items):
            return ex.Both(inline_all(items))
        case ex.Not(item):
            return ex.Not(inline(item))
        case ex.Compare(left, operator, right):
            return ex.Compare(inline(left), operator, inline_all(right))
        case ex.Choice(condition, then, otherwise):
            last = None if otherwise is None else inline(otherwise)
            return ex.Choice(inline(condition), inline(then), last)
        case _:
            return expression


def _named(name: str, language: Language, spot: Spot) -> ex.Expression:
    if name not in language.values:
        return ex.Context(name)
    if spot.depth > 20:
        raise spot.node.fail(f"`${name}` refers to itself", spot.element)
    inner = replace(spot, node=language.values[name], element=f"values.{name}", depth=spot.depth + 1)
    return ex.Value(name, parse_expression(language, inner))


def compile_expression(
    expression: ex.Expression, language: Language, spot: Spot, fragment: CompileFragment
) -> Write:
    """What writes an expression; ContentError for anything that could not work."""
    compiled = partial(compile_expression, language=language, spot=spot, fragment=fragment)
    match expression:
        case ex.Literal(value):
            return same(value)
        case ex.System(name):
            if name not in SYSTEMS:
                raise spot.node.fail(f"`<{name}>` is no code system", f"{spot.element}.{name}", SYSTEMS)
            return same(SYSTEMS[name])
        case ex.Value(name, inner):
            write = compiled(inner)
            return _remembered(name, write, kind_of(inner, language)) if language.grammar.remembers else write
        case ex.Path(text, None):
            return _path(text, language, spot)
        case ex.Path():
            return fragment(language, expression, spot)
        case ex.Context(name):
            return _context(name, language, spot)
        case ex.Ref():
            return compile_reference(expression, language, spot, [compiled(part) for part in expression.key])
        case ex.Call():
            return compile_call(expression, language, spot, compiled)
        case ex.Either(items):
            return _either([compiled(item) for item in items], kind_of(expression, language))
        case ex.Both(items):
            return _both([compiled(item) for item in items])
        case ex.Not(item):
            test = compiled(item)
            return lambda writer, at: writer.new(f"not ({writer.true(test(writer, at))})", TRUTH)
        case ex.Compare():
            check_compared(expression, language, spot)
            return _compare(expression, language, spot, compiled)
        case ex.Choice(condition, then, otherwise):
            last = same(None) if otherwise is None else compiled(otherwise)
            return _choice(compiled(condition), compiled(then), last, kind_of(expression, language))
        case _:
            raise spot.node.fail("this expression cannot stand here", spot.element)


_UNKNOWN = object()


def _remembered(name: str, value: Write, kind: str) -> Write:
    """What is computed once for a place."""
    own_name = f"${name}"

    def remembered(writer: Writer, at: str) -> str:
        def write() -> str:
            unknown = writer.constant(_UNKNOWN)
            out = writer.new(f"{at}.memo.get({own_name!r}, {unknown})", kind)
            with writer.block(f"if {out} is {unknown}"):
                writer.line(f"{out} = {at}.memo[{own_name!r}] = {value(writer, at)}")
            return out

        return writer.once((own_name, at), write)

    return remembered


def _path(text: str, language: Language, spot: Spot) -> Write:
    grammar = language.grammar
    try:
        grammar.below(text, spot.place)
        read = grammar.value(text)
    except ValueError as error:
        raise wrong_path(error, spot) from None
    found: Write = called(read) if grammar.written_value is None else grammar.written_value(text, read)
    return found


def wrong_path(error: ValueError, spot: Spot) -> ContentError:
    """The error to raise about a path that a grammar refused."""
    name, valid = (error.name, error.valid) if isinstance(error, WrongPath) else ("", ())
    return spot.node.fail(str(error), f"{spot.element}.{name}".rstrip("."), valid)


_FACTS = {
    "partner": "run.partner",
    "feed": "run.record.feed",
    "key": "run.record.key",
    "source_id": "run.source_id",
    "modified": "run.record.event_time and run.record.event_time.isoformat()",
}


def _context(name: str, language: Language, spot: Spot) -> Write:
    if name in language.sender:
        return same(language.sender[name])
    if name == "place" and language.format == "ccda":
        address = language.grammar.address
        return lambda writer, at: writer.new(f"{writer.constant(address)}({at}, run)")
    if name in _FACTS:
        return lambda writer, _at: writer.new(_FACTS[name])
    if name not in language.groups:
        place = ["place"] if language.format == "ccda" else []
        valid = [*language.values, *_FACTS, *place, *language.sender, *language.groups]
        raise spot.node.fail(
            f"`${name}` is neither a value nor a fact nor a group", f"{spot.element}.{name}", valid
        )
    return lambda writer, at: writer.new(f"{writer.constant(_number)}({at}, {name!r})", TEXT)


def _number(node: Any, group: str) -> str | None:
    """The number of the group instance around a place, from the second on."""
    for place in node.chain():
        if place.name == group:
            return str(place.occurrence + 1) if place.occurrence else None
    return None


def _either(items: list[Write], kind: str) -> Write:
    def either(writer: Writer, at: str) -> str:
        out = writer.new(items[0](writer, at), kind)
        for item in items[1:]:
            with writer.block(f"if not ({writer.true(out)})"):
                writer.line(f"{out} = {item(writer, at)}")
        return out

    return either


def _both(tests: list[Write]) -> Write:
    def both(writer: Writer, at: str) -> str:
        out = writer.new("False", TRUTH)
        with ExitStack() as blocks:
            for test in tests:
                blocks.enter_context(writer.block(f"if {writer.true(test(writer, at))}"))
            writer.line(f"{out} = True")
        return out

    return both


def _choice(condition: Write, then: Write, otherwise: Write, kind: str) -> Write:
    def choice(writer: Writer, at: str) -> str:
        test = writer.true(condition(writer, at))
        out = writer.new("None", kind)
        with writer.block(f"if {test}"):
            writer.line(f"{out} = {then(writer, at)}")
        with writer.block("else"):
            writer.line(f"{out} = {otherwise(writer, at)}")
        return out

    return choice


def _compare(
    expression: ex.Compare, language: Language, spot: Spot, compiled: Callable[[ex.Expression], Write]
) -> Write:
    left, is_text = compiled(expression.left), kind_of(expression.left, language) == TEXT
    if expression.operator in ("in", "matches"):
        if not all(isinstance(item, ex.Literal) for item in expression.right):
            raise spot.node.fail(f"`{expression.operator}` needs literals in quotes", spot.element)
        literals = [item.value for item in expression.right if isinstance(item, ex.Literal)]
        if expression.operator == "in":
            among = frozenset(literals)
            return _tested(left, among.__contains__) if not is_text else _among(left, among)
        try:
            search = re.compile(str(literals[0])).search
        except re.error as error:
            raise spot.node.fail(f"not a regular expression: {error}", spot.element) from None
        return _tested(left, lambda value: search(str(value)) is not None)
    right, wanted = compiled(expression.right[0]), expression.operator == "="
    is_literal = isinstance(expression.right[0], ex.Literal)
    if is_literal and is_text:
        return lambda writer, at: writer.new(
            f"{left(writer, at)} {'==' if wanted else '!='} {right(writer, at)}", TRUTH
        )
    compare = _equals if is_literal else _agrees

    def compared(writer: Writer, at: str) -> str:
        values = f"{left(writer, at)}, {right(writer, at)}"
        return writer.new(f"{writer.constant(compare)}({values}) is {wanted}", TRUTH)

    return compared


def _among(left: Write, among: frozenset[Any]) -> Write:
    return lambda writer, at: writer.new(f"{left(writer, at)} in {writer.constant(among)}", TRUTH)


def _tested(left: Write, test: Callable[[Any], bool]) -> Write:
    any_of = partial(_any_of, test=test)
    return lambda writer, at: writer.new(f"{writer.constant(any_of)}({left(writer, at)})", TRUTH)


def _equals(value: Any, literal: Any) -> bool:
    if value is None:
        return False
    return bool(literal in value if type(value) is list else value == literal)


def _agrees(value: Any, other: Any) -> bool:
    return bool(other in value if isinstance(value, list) else value == other)


def _any_of(value: Any, test: Callable[[Any], bool]) -> bool:
    """A test of one value, or of any value of a list; a missing value passes none."""
    if isinstance(value, list):
        return any(test(item) for item in value if not isinstance(item, (dict, list)))
    return value is not None and not isinstance(value, dict) and test(value)

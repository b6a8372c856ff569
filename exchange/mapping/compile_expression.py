"""Expressions become closures: everything that can be looked up or checked is, before the first record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.compile_calls import compile_call
from exchange.mapping.compile_references import compile_reference
from exchange.mapping.language import Language, Spot
from exchange.mapping.outcomes import check_compared
from exchange.mapping.paths.grammar import Reader, WrongPath
from exchange.model.errors import ContentError
from exchange.model.terms import SYSTEMS

CompileFragment = Callable[[Language, ex.Path, Spot], Reader]


def parse_expression(language: Language, spot: Spot) -> ex.Expression:
    """The expression at a spot with `$values` put in."""
    found = ex.parse(spot.node, language.grammar.match, spot.element)
    return _inline(found, language, spot)


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
) -> Reader:
    """The reader of an expression; ContentError for anything that could not work."""
    compiled = partial(compile_expression, language=language, spot=spot, fragment=fragment)
    match expression:
        case ex.Literal(value):
            return lambda _node, _run: value
        case ex.System(name):
            if name not in SYSTEMS:
                raise spot.node.fail(f"`<{name}>` is no code system", f"{spot.element}.{name}", SYSTEMS)
            uri = SYSTEMS[name]
            return lambda _node, _run: uri
        case ex.Value(name, inner):
            return _remembered(name, compiled(inner)) if language.grammar.remembers else compiled(inner)
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
            return _either([compiled(item) for item in items])
        case ex.Both(items):
            return _both([compiled(item) for item in items])
        case ex.Not(item):
            test = compiled(item)
            return lambda node, run: not _true(test(node, run))
        case ex.Compare():
            check_compared(expression, language, spot)
            return _compare(expression, spot, compiled)
        case ex.Choice(condition, then, otherwise):
            test, yes = compiled(condition), compiled(then)
            no = _nothing if otherwise is None else compiled(otherwise)
            return lambda node, run: yes(node, run) if _true(test(node, run)) else no(node, run)
        case _:
            raise spot.node.fail("this expression cannot stand here", spot.element)


def _remembered(name: str, read: Reader) -> Reader:
    """The reader, run once for a place."""

    own_name = f"${name}"

    def remembered(node: Any, run: Any) -> Any:
        memo = node.memo
        if own_name in memo:
            return memo[own_name]
        value = memo[own_name] = read(node, run)
        return value

    return remembered


def _nothing(_node: Any, _run: Any) -> None:
    """No value."""


def _true(value: Any) -> bool:
    """Nothing and `false` are false; every other value, 0 included, is there."""
    return value is not None and value is not False


def _path(text: str, language: Language, spot: Spot) -> Reader:
    try:
        language.grammar.below(text, spot.place)
        return language.grammar.value(text)
    except ValueError as error:
        raise wrong_path(error, spot) from None


def wrong_path(error: ValueError, spot: Spot) -> ContentError:
    """The error to raise about a path that a grammar refused."""
    name, valid = (error.name, error.valid) if isinstance(error, WrongPath) else ("", ())
    return spot.node.fail(str(error), f"{spot.element}.{name}".rstrip("."), valid)


_FACTS: dict[str, Reader] = {
    "partner": lambda _node, run: run.partner,
    "feed": lambda _node, run: run.record.feed,
    "key": lambda _node, run: run.record.key,
    "source_id": lambda _node, run: run.source_id,
    "modified": lambda _node, run: run.record.event_time and run.record.event_time.isoformat(),
}


def _context(name: str, language: Language, spot: Spot) -> Reader:
    partner = language.partner
    constants = {
        "namespace": partner.namespace,
        "npi": partner.organization.npi,
        "name": partner.organization.name,
    }
    if name in constants:
        return lambda _node, _run: constants[name]
    if name == "place" and language.format == "ccda":
        address = language.grammar.address
        return lambda node, _run: address(node)
    if name in _FACTS:
        return _FACTS[name]
    if name not in language.groups:
        place = ["place"] if language.format == "ccda" else []
        valid = [*language.values, *_FACTS, *place, *constants, *language.groups]
        raise spot.node.fail(
            f"`${name}` is neither a value nor a fact nor a group", f"{spot.element}.{name}", valid
        )
    return lambda node, _run: _number(node, name)


def _number(node: Any, group: str) -> str | None:
    """The number of the group instance around a place, from the second on."""
    for place in node.chain():
        if place.name == group:
            return str(place.occurrence + 1) if place.occurrence else None
    return None


def _either(items: list[Reader]) -> Reader:
    if len(items) == 2:
        one, two = items

        def either(node: Any, run: Any) -> Any:
            value = one(node, run)
            return value if value is not None and value is not False else two(node, run)

        return either

    def first(node: Any, run: Any) -> Any:
        value = None
        for item in items:
            value = item(node, run)
            if value is not None and value is not False:
                return value
        return value

    return first


def _both(tests: list[Reader]) -> Reader:
    def both(node: Any, run: Any) -> bool:
        for test in tests:
            value = test(node, run)
            if value is None or value is False:
                return False
        return True

    return both


def _compare(expression: ex.Compare, spot: Spot, compiled: Callable[[ex.Expression], Reader]) -> Reader:
    left = compiled(expression.left)
    if expression.operator in ("in", "matches"):
        if not all(isinstance(item, ex.Literal) for item in expression.right):
            raise spot.node.fail(f"`{expression.operator}` needs literals in quotes", spot.element)
        literals = [item.value for item in expression.right if isinstance(item, ex.Literal)]
        if expression.operator == "in":
            return _any_of(left, frozenset(literals).__contains__)
        try:
            search = re.compile(str(literals[0])).search
        except re.error as error:
            raise spot.node.fail(f"not a regular expression: {error}", spot.element) from None
        return _any_of(left, lambda value: search(str(value)) is not None)
    right = compiled(expression.right[0])
    wanted = expression.operator == "="
    if isinstance(expression.right[0], ex.Literal):
        return _equals(left, expression.right[0].value, wanted)

    def compare(node: Any, run: Any) -> bool:
        value, other = left(node, run), right(node, run)
        same = other in value if isinstance(value, list) else value == other
        return same is wanted

    return compare


def _equals(left: Reader, literal: Any, wanted: bool) -> Reader:
    def equals(node: Any, run: Any) -> bool:
        value = left(node, run)
        if value is None:
            return not wanted
        return (literal in value if type(value) is list else value == literal) is wanted

    return equals


def _any_of(left: Reader, test: Callable[[Any], bool]) -> Reader:
    """A test of one value, or of any value of a list; a missing value passes none."""

    def compare(node: Any, run: Any) -> bool:
        value = left(node, run)
        if isinstance(value, list):
            return any(test(item) for item in value if not isinstance(item, (dict, list)))
        return value is not None and not isinstance(value, dict) and test(value)

    return compare

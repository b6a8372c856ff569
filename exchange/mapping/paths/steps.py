"""The plain part of XPath as closures: many times faster than an XPath engine called for each value.

Steps of names, `..`, `.`, `*` and `ancestor::name[1]`, predicates of paths, comparisons with text, `and`,
`or`, `not(…)` and `template(…)`. What is outside of it compiles to None and is left to lxml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from exchange.formats import ccda
from exchange.mapping.paths.axes import (
    AttributeIs,
    Nodes,
    Test,
    below,
    by_template,
    children,
    chosen_children,
    compares,
    document,
    each_of,
    everywhere,
    fit_children,
    has_template,
    is_there,
    itself,
    one_of,
    parents,
    passing,
)

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<name>@?[\w-]+(?::[\w-]+)?(?:::[\w-]+(?::[\w-]+)?)?)
    |(?P<mark>//|\.\.|!=|[./\[\]()=*,|]))""",
    re.VERBOSE,
)


class _Outside(Exception):
    """The path is not of the plain part."""


class _Tokens:
    """The tokens of one path, read from the left."""

    def __init__(self, text: str) -> None:
        self.items: list[tuple[str, str]] = []
        self.at = end = 0
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                raise _Outside
            kind = str(found.lastgroup)
            self.items.append((kind, found.group(kind)))
            end = found.end()

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.items[place][1] if place < len(self.items) else ""

    def take(self, wanted: str) -> bool:
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise _Outside

    def next(self, kind: str) -> str:
        if self.at >= len(self.items) or self.items[self.at][0] != kind:
            raise _Outside
        self.at += 1
        return self.items[self.at - 1][1]


def compile_steps(path: str) -> tuple[Nodes, str] | None:
    """The elements a path selects and the attribute it ends in (empty: none); None when lxml must do it."""
    try:
        tokens = _Tokens(path)
        nodes, attribute = _path(tokens)
        if tokens.at < len(tokens.items):
            return None
    except _Outside:
        return None
    return nodes, attribute


def _path(tokens: _Tokens) -> tuple[Nodes, str]:
    nodes, more = _start(tokens)
    while more:
        if tokens.peek().startswith("@"):
            return nodes, _attribute_name(tokens.next("name"))
        nodes = _step(tokens, nodes)
        more = tokens.take("/")
    return nodes, ""


def _attribute_name(token: str) -> str:
    try:
        return ccda.qualified(token[1:], attribute=True)
    except KeyError:
        raise _Outside from None


def _start(tokens: _Tokens) -> tuple[Nodes, bool]:
    """Where the path begins, and whether steps follow."""
    if tokens.take("//"):
        return _descendants(tokens, whole=True)
    if tokens.peek() == "." and tokens.peek(1) == "//":
        tokens.at += 2
        return _descendants(tokens, whole=False)
    if tokens.take("/"):
        tokens.need("ClinicalDocument")
        return (lambda node, _run: (document(node),)), tokens.take("/")
    return itself, True


def _descendants(tokens: _Tokens, *, whole: bool) -> tuple[Nodes, bool]:
    """`//name[…]`, `//*[self::a or self::b]`."""
    tags = _tags(tokens)
    indexed = _indexed(tokens) if whole else ()
    tests = _predicates(tokens)
    if any(isinstance(test, int) for test in tests):
        raise _Outside
    if indexed:
        found: Nodes = partial(by_template, tags=frozenset(tags), roots=indexed)
    else:
        found = partial(everywhere if whole else below, tags=tags)
    nodes = (lambda node, run: passing(found(node, run), tests)) if tests else found
    return nodes, tokens.take("/")


def _tags(tokens: _Tokens) -> tuple[str, ...]:
    if not tokens.take("*"):
        return (_tag(tokens.next("name")),)
    if tokens.peek(1).startswith("self::"):
        tokens.need("[")
        names = [_tag(tokens.next("name").removeprefix("self::"))]
        while tokens.take("or"):
            names.append(_tag(tokens.next("name").removeprefix("self::")))
        tokens.need("]")
        return tuple(names)
    return ("*",)


def _tag(name: str) -> str:
    if name.startswith("@") or "::" in name or name[0].isdigit():
        raise _Outside
    try:
        return ccda.qualified(name)
    except KeyError:
        raise _Outside from None


def _indexed(tokens: _Tokens) -> tuple[str, ...]:
    """The roots of `[template(…)]` alone, right behind the name: found by the index of the document."""
    if tokens.peek() != "[" or tokens.peek(1) != "template":
        return ()
    start = tokens.at
    tokens.at += 2
    roots = _template_roots(tokens)
    if tokens.take("]"):
        return roots
    tokens.at = start
    return ()


def _template_roots(tokens: _Tokens) -> tuple[str, ...]:
    tokens.need("(")
    roots = [ccda.template_root(tokens.next("text")[1:-1])]
    while tokens.take(","):
        roots.append(ccda.template_root(tokens.next("text")[1:-1]))
    tokens.need(")")
    return tuple(roots)


def _step(tokens: _Tokens, before: Nodes) -> Nodes:
    if tokens.take(".."):
        return partial(parents, before=before)
    if tokens.take("."):
        return before
    if tokens.peek().startswith("ancestor::"):
        return _ancestor(tokens, before)
    tag = "*" if tokens.take("*") else _tag(tokens.next("name"))
    tests = _predicates(tokens)
    if not tests and before is itself:
        return lambda node, _run: node.iterchildren(tag)
    if not tests:
        return partial(children, before=before, tag=tag)
    conditions = [test for test in tests if not isinstance(test, int)]
    if len(conditions) < len(tests):
        return partial(chosen_children, before=before, tag=tag, tests=tests)
    return partial(fit_children, before=before, tag=tag, tests=conditions)


def _ancestor(tokens: _Tokens, before: Nodes) -> Nodes:
    """`ancestor::name[…][1]`: the nearest; without a number it can only be tested for being there."""
    tag = _tag(tokens.next("name").removeprefix("ancestor::"))
    tests = _predicates(tokens)

    def above(node: Any, run: Any) -> Iterator[Any]:
        for item in before(node, run):
            yield from passing(item.iterancestors(tag), tests)

    return above


# --- predicates -------------------------------------------------------------------------------------


def _predicates(tokens: _Tokens) -> list[Test | int]:
    tests: list[Test | int] = []
    while tokens.take("["):
        if tokens.peek().isdigit():
            tests.append(int(tokens.next("name")))
        else:
            tests.append(_any(tokens))
        tokens.need("]")
    return tests


def _any(tokens: _Tokens) -> Test:
    tests = [_all(tokens)]
    while tokens.take("or"):
        tests.append(_all(tokens))
    return tests[0] if len(tests) == 1 else one_of(tests)


def _all(tokens: _Tokens) -> Test:
    tests = [_single(tokens)]
    while tokens.take("and"):
        tests.append(_single(tokens))
    return tests[0] if len(tests) == 1 else partial(each_of, tests=tests)


def _single(tokens: _Tokens) -> Test:
    if tokens.peek() == "not" and tokens.peek(1) == "(":
        tokens.at += 2
        inner = _any(tokens)
        tokens.need(")")
        return lambda node: not inner(node)
    if tokens.peek() == "template" and tokens.peek(1) == "(":
        tokens.at += 1
        return partial(has_template, roots=frozenset(_template_roots(tokens)))
    if tokens.take("("):
        inner = _any(tokens)
        tokens.need(")")
        return inner
    return _comparison(tokens)


def _comparison(tokens: _Tokens) -> Test:
    if tokens.peek() in ("/", "//", ""):
        raise _Outside
    nodes, attribute = _path(tokens)
    own = attribute if nodes is itself else ""
    equal = tokens.take("=")
    if not equal and not tokens.take("!="):
        if own:
            return lambda node: node.get(own) is not None
        return partial(is_there, nodes=nodes, attribute=attribute)
    wanted = tokens.next("text")[1:-1]
    if own and equal:
        return AttributeIs(own, frozenset((wanted,)))
    return partial(compares, nodes=nodes, attribute=attribute, wanted=wanted, equal=equal)

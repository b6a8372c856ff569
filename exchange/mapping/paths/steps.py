"""The plain part of XPath as closures: many times faster than an XPath engine called for each value.

Steps of names, `..`, `.`, `*` and `ancestor::name[1]`, predicates of paths, comparisons with text, `and`,
`or`, `not(…)` and `template(…)`. What is outside of it compiles to None and is left to lxml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from exchange.formats import ccda

Nodes = Callable[[Any, Any], Iterable[Any]]
"""(element, the Run or None) to elements in document order."""
Test = Callable[[Any], bool]

_TEMPLATE_ID = ccda.qualified("templateId")
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
        return _descendants(tokens, everywhere=True)
    if tokens.peek() == "." and tokens.peek(1) == "//":
        tokens.at += 2
        return _descendants(tokens, everywhere=False)
    if tokens.take("/"):
        tokens.need("ClinicalDocument")
        return (lambda node, _run: (_root(node),)), tokens.take("/")
    return (lambda node, _run: (node,)), True


def _root(node: Any) -> Any:
    return node.getroottree().getroot()


def _descendants(tokens: _Tokens, *, everywhere: bool) -> tuple[Nodes, bool]:
    """`//name[…]`, `//*[self::a or self::b]`."""
    tags = _tags(tokens)
    indexed = _indexed(tokens) if everywhere else ()
    tests = _predicates(tokens)
    if any(isinstance(test, int) for test in tests):
        raise _Outside
    if indexed:
        found: Nodes = partial(_by_template, tags=frozenset(tags), roots=indexed)
    else:
        found = partial(_everywhere if everywhere else _below, tags=tags)
    nodes = (lambda node, run: _passing(found(node, run), tests)) if tests else found
    return nodes, tokens.take("/")


def _everywhere(node: Any, _run: Any, tags: tuple[str, ...]) -> Iterable[Any]:
    found: Iterable[Any] = _root(node).iter(*tags)
    return found


def _below(node: Any, _run: Any, tags: tuple[str, ...]) -> Iterable[Any]:
    return (item for item in node.iter(*tags) if item is not node)


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


def _by_template(node: Any, run: Any, tags: frozenset[str], roots: tuple[str, ...]) -> list[Any]:
    index = _index(node, run)
    if len(roots) == 1:
        found: Iterable[Any] = index.get(roots[0], {})
    else:
        places = {item: at for root in roots for item, at in index.get(root, {}).items()}
        found = sorted(places, key=places.__getitem__)
    return [item for item in found if "*" in tags or item.tag in tags]


def _index(node: Any, run: Any) -> dict[str, dict[Any, int]]:
    """Elements by the root of their templateIds, in document order; made once for a record."""
    memo: dict[Any, Any] = {} if run is None else run.memo
    index: dict[str, dict[Any, int]] | None = memo.get(_index)
    if index is None:
        index = memo[_index] = {}
        for at, item in enumerate(node.getroottree().getroot().iter(_TEMPLATE_ID)):
            index.setdefault(item.get("root", ""), {}).setdefault(item.getparent(), at)
    return index


def _step(tokens: _Tokens, before: Nodes) -> Nodes:
    if tokens.take(".."):
        return partial(_parents, before=before)
    if tokens.take("."):
        return before
    if tokens.peek().startswith("ancestor::"):
        return _ancestor(tokens, before)
    tag = "*" if tokens.take("*") else _tag(tokens.next("name"))
    tests = _predicates(tokens)
    if not tests:
        return partial(_children, before=before, tag=tag)
    return partial(_chosen_children, before=before, tag=tag, tests=tests)


def _parents(node: Any, run: Any, before: Nodes) -> list[Any]:
    return [up for up in (item.getparent() for item in before(node, run)) if up is not None]


def _children(node: Any, run: Any, before: Nodes, tag: str) -> Iterator[Any]:
    for item in before(node, run):
        yield from item.iterchildren(tag)


def _chosen_children(node: Any, run: Any, before: Nodes, tag: str, tests: list[Test | int]) -> Iterator[Any]:
    for item in before(node, run):
        yield from _passing(item.iterchildren(tag), tests)


def _ancestor(tokens: _Tokens, before: Nodes) -> Nodes:
    """`ancestor::name[…][1]`: the nearest; without a number it can only be tested for being there."""
    tag = _tag(tokens.next("name").removeprefix("ancestor::"))
    tests = _predicates(tokens)

    def above(node: Any, run: Any) -> Iterator[Any]:
        for item in before(node, run):
            yield from _passing(item.iterancestors(tag), tests)

    return above


def _passing(items: Iterable[Any], tests: list[Test | int]) -> Iterable[Any]:
    for test in tests:
        items = _nth(items, test) if isinstance(test, int) else filter(test, items)
    return items


def _nth(items: Iterable[Any], number: int) -> list[Any]:
    for at, item in enumerate(items, start=1):
        if at == number:
            return [item]
    return []


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
    return tests[0] if len(tests) == 1 else (lambda node: any(test(node) for test in tests))


def _all(tokens: _Tokens) -> Test:
    tests = [_single(tokens)]
    while tokens.take("and"):
        tests.append(_single(tokens))
    return tests[0] if len(tests) == 1 else (lambda node: all(test(node) for test in tests))


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


def has_template(node: Any, roots: frozenset[str]) -> bool:
    """Whether an element has a templateId with one of the roots, whatever its extension."""
    return any(item.get("root") in roots for item in node.iterchildren(_TEMPLATE_ID))


def _comparison(tokens: _Tokens) -> Test:
    if tokens.peek() in ("/", "//", ""):
        raise _Outside
    nodes, attribute = _path(tokens)
    equal = tokens.take("=")
    if not equal and not tokens.take("!="):
        return partial(_is_there, nodes=nodes, attribute=attribute)
    wanted = tokens.next("text")[1:-1]
    return partial(_compares, nodes=nodes, attribute=attribute, wanted=wanted, equal=equal)


def _is_there(node: Any, nodes: Nodes, attribute: str) -> bool:
    if attribute:
        return any(item.get(attribute) is not None for item in nodes(node, None))
    return any(True for _ in nodes(node, None))


def _compares(node: Any, nodes: Nodes, attribute: str, wanted: str, equal: bool) -> bool:
    for item in nodes(node, None):
        value = item.get(attribute) if attribute else "".join(item.itertext())
        if value is not None and (value == wanted) is equal:
            return True
    return False

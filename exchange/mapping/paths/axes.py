"""What a compiled path does at an element: the steps of XPath as plain functions over lxml elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from exchange.formats import ccda

Nodes = Callable[[Any, Any], Iterable[Any]]
"""(element, the Run or None) to elements in document order."""
Test = Callable[[Any], bool]

_TEMPLATE_ID = ccda.qualified("templateId")


@dataclass(frozen=True, slots=True)
class AttributeIs:
    """`@name='a' or @name='b'`."""

    name: str
    values: frozenset[str]

    def __call__(self, node: Any) -> bool:
        return node.get(self.name) in self.values


def itself(node: Any, _run: Any) -> tuple[Any, ...]:
    """The place alone: where a path that begins with an attribute looks."""
    return (node,)


def document(node: Any) -> Any:
    return node.getroottree().getroot()


def everywhere(node: Any, _run: Any, tags: tuple[str, ...]) -> Iterable[Any]:
    found: Iterable[Any] = document(node).iter(*tags)
    return found


def below(node: Any, _run: Any, tags: tuple[str, ...]) -> Iterable[Any]:
    return (item for item in node.iter(*tags) if item is not node)


def by_template(node: Any, run: Any, tags: frozenset[str], roots: tuple[str, ...]) -> list[Any]:
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


def parents(node: Any, run: Any, before: Nodes) -> list[Any]:
    return [up for up in (item.getparent() for item in before(node, run)) if up is not None]


def children(node: Any, run: Any, before: Nodes, tag: str) -> Iterator[Any]:
    for item in before(node, run):
        yield from item.iterchildren(tag)


def fit_children(node: Any, run: Any, before: Nodes, tag: str, tests: list[Test]) -> Iterator[Any]:
    for item in before(node, run):
        for child in item.iterchildren(tag):
            for test in tests:
                if not test(child):
                    break
            else:
                yield child


def chosen_children(node: Any, run: Any, before: Nodes, tag: str, tests: list[Test | int]) -> Iterator[Any]:
    for item in before(node, run):
        yield from passing(item.iterchildren(tag), tests)


def passing(items: Iterable[Any], tests: list[Test | int]) -> Iterable[Any]:
    for test in tests:
        items = _nth(items, test) if isinstance(test, int) else filter(test, items)
    return items


def _nth(items: Iterable[Any], number: int) -> list[Any]:
    for at, item in enumerate(items, start=1):
        if at == number:
            return [item]
    return []


def one_of(tests: list[Test]) -> Test:
    """Whether one test holds; tests of one attribute are put together."""
    known = [test for test in tests if isinstance(test, AttributeIs)]
    if len(known) == len(tests) and len({test.name for test in known}) == 1:
        return AttributeIs(known[0].name, frozenset(value for test in known for value in test.values))

    def one_of(node: Any) -> bool:
        for test in tests:  # noqa: SIM110 a generator costs twice as much, here and below
            if test(node):
                return True
        return False

    return one_of


def each_of(node: Any, tests: list[Test]) -> bool:
    for test in tests:  # noqa: SIM110
        if not test(node):
            return False
    return True


def has_template(node: Any, roots: frozenset[str]) -> bool:
    """Whether an element has a templateId with one of the roots, whatever its extension."""
    return any(item.get("root") in roots for item in node.iterchildren(_TEMPLATE_ID))


def is_there(node: Any, nodes: Nodes, attribute: str) -> bool:
    for item in nodes(node, None):  # noqa: SIM110
        if not attribute or item.get(attribute) is not None:
            return True
    return False


def compares(node: Any, nodes: Nodes, attribute: str, wanted: str, equal: bool) -> bool:
    for item in nodes(node, None):
        value = item.get(attribute) if attribute else "".join(item.itertext())
        if value is not None and (value == wanted) is equal:
            return True
    return False

"""Where the elements of a document stand: what is beside an element is counted once, not for each anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from lxml import etree

_ANY = "*"


class Standing:
    """Places of one document, for as long as a record is read: a Run keeps it in `addresses`."""

    __slots__ = ("_addresses", "_paths")

    def __init__(self) -> None:
        self._addresses: dict[Any, str] = {}
        self._paths: dict[Any, str] = {}

    def address(self, element: Any) -> str:
        """What `getpath` of lxml gives: a path that is unique within the document."""
        return _known(element, self._addresses, _alike, lambda root: root.getroottree().getpath(root))

    def position(self, element: Any) -> str:
        """The line, and the path of names from the root: a document may be all one line."""
        path = _known(element, self._paths, lambda each: (each.tag, _local(each)), lambda _root: "")
        return f"line {element.sourceline} {path.removeprefix('/')}".strip()


def standing(run: Any) -> Standing:
    """The places of the document that a record is."""
    if run.addresses is None:
        run.addresses = Standing()
    known: Standing = run.addresses
    return known


def _known(
    element: Any,
    known: dict[Any, str],
    kind: Callable[[Any], tuple[Hashable, str]],
    of_root: Callable[[Any], str],
) -> str:
    if element not in known:
        parent = element.getparent()
        if parent is None:
            known[element] = of_root(element)
        else:
            around = _known(parent, known, kind, of_root)
            known |= {child: f"{around}/{step}" for child, step in _numbered(parent, kind)}
    return known[element]


def _numbered(parent: Any, kind: Callable[[Any], tuple[Hashable, str]]) -> Iterator[tuple[Any, str]]:
    """The elements below, by name, with their numbers where others of their kind stand beside them."""
    children = [(child, *kind(child)) for child in parent.iterchildren(etree.Element)]
    counts, before = Counter(key for _, key, _ in children), Counter[Hashable]()
    counts[_ANY] = len(children)
    for number, (child, key, name) in enumerate(children, start=1):
        before[key] += 1
        before[_ANY] = number
        yield child, name if counts[key] == 1 else f"{name}[{before[key]}]"


def _alike(element: Any) -> tuple[Hashable, str]:
    """As libxml2 has it: what is in a namespace without a prefix is any element, and counted among all."""
    name = etree.QName(element)
    if name.namespace and element.prefix is None:
        return _ANY, "*"
    return (name.localname, element.prefix), (
        f"{element.prefix}:{name.localname}" if element.prefix else name.localname
    )


def _local(element: Any) -> str:
    return etree.QName(element).localname

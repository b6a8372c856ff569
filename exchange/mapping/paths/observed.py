"""Grammars that remember what was read of a source, for the map compiled with an observer.

The fast path has none of this. Segments and rows remember it themselves; elements and JSON members are
noted in the Run, as addresses: a trailing `/**` says that everything below was read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from functools import cache
from typing import Any

from lxml import etree

from exchange.formats import hl7v2
from exchange.formats.ccda_narrative import referred_narrative
from exchange.mapping.paths.grammar import Grammar, Reader
from exchange.mapping.paths.json_path import plain_path
from exchange.mapping.paths.names import SEGMENT_PATH
from exchange.mapping.paths.places import Place
from exchange.mapping.paths.standing import standing
from exchange.mapping.paths.xpath import compiled_xpath
from exchange.model.records import Format


class SeenSegment(list[str]):
    """An HL7 v2 segment that remembers the numbers of the fields read.

    `repeating`: names and numbers of the fields of which the map asks for more than the first repetition.
    """

    __slots__ = ("repeating", "seen")

    def __init__(self, fields: list[str], repeating: Set[tuple[str, int]]) -> None:
        super().__init__(fields)
        self.seen: set[int] = set()
        self.repeating = repeating

    def __getitem__(self, index: Any) -> Any:
        self.seen.add(index)
        return super().__getitem__(index)


class SeenRow(dict[str, str]):
    """A row of a table that remembers the columns read."""

    __slots__ = ("seen",)

    def __init__(self, cells: dict[str, str]) -> None:
        super().__init__(cells)
        self.seen: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().get(name, default)


def observed_grammar(grammar: Grammar, kind: Format) -> Grammar:
    """The grammar giving the same values and remembering what they were read from."""
    if kind == "hl7v2":
        return _observed_segments(grammar)
    if kind == "delimited":
        return replace(grammar, open=lambda payload: SeenRow(grammar.open(payload)))
    value, nodes = (_observed_xpath if kind == "ccda" else _observed_json)(grammar)
    return replace(grammar, value=value, nodes=nodes)


def _observed_segments(grammar: Grammar) -> Grammar:
    """Segments note what is read of them; which repetitions are asked for the paths of the map say."""
    repeating: set[tuple[str, int]] = set()

    def noting(compiled: Callable[[str], Reader]) -> Callable[[str], Reader]:
        def reader(path: str) -> Reader:
            found = SEGMENT_PATH.fullmatch(path)
            if found and found.group(4):
                repeating.add((found.group(1), int(found.group(3))))
            return compiled(path)

        return reader

    def opened(payload: bytes) -> Place:
        message = grammar.open(payload)
        segments: list[hl7v2.Segment] = [SeenSegment(each, repeating) for each in message.segments]
        return Place("message", segments, None, message.delimiters)

    return replace(grammar, value=noting(grammar.value), nodes=noting(grammar.nodes), open=opened)


# --- C-CDA ------------------------------------------------------------------------------------------


def _observed_xpath(grammar: Grammar) -> tuple[Any, Any]:
    @cache
    def value(path: str) -> Reader:
        # What is read from the document down is the same from everywhere.
        from_root, noted = path.startswith("/"), f"noted {path}"
        read, select = (
            grammar.value(path),
            compiled_xpath(path.removesuffix("[*]").removesuffix("[lines]"), smart=True),
        )

        def observed(node: Any, run: Any) -> Any:
            if not (from_root and noted in run.memo):
                found = select(node)
                for item in found if isinstance(found, list) else [found]:
                    _note_value(item, run)
                run.memo[noted] = True
            return read(node, run)

        return observed

    def nodes(path: str) -> Reader:
        read = grammar.nodes(path)

        def observed(node: Any, run: Any) -> Any:
            found = list(read(node, run))
            run.seen.update(map(standing(run).address, found))
            return found

        return observed

    return value, nodes


def _note_value(item: Any, run: Any) -> None:
    address = standing(run).address
    if isinstance(item, etree._Element):
        run.seen.add(f"{address(item)}/**")
        if (narrative := referred_narrative(item)) is not None:
            run.seen.add(f"{address(narrative)}/**")
    elif getattr(item, "is_attribute", False):
        run.seen.add(f"{address(item.getparent())}/@{etree.QName(item.attrname).localname}")
    elif getattr(item, "is_text", False):
        run.seen.add(f"{address(item.getparent())}/**")


def element_position(element: Any, run: Any) -> str:
    """The line and the path of an element; nothing for what is none."""
    return standing(run).position(element) if isinstance(element, etree._Element) else ""


# --- JSON -------------------------------------------------------------------------------------------


def _observed_json(grammar: Grammar) -> tuple[Any, Any]:
    def watched(read: Reader, path: str, below: str) -> Reader:
        steps, absolute = plain_path(path), path.startswith("/")

        def observed(node: Any, run: Any) -> Any:
            base = "" if absolute else _address(node, run)
            if base is not None:
                run.seen.add("/".join(part for part in (_root_name(run), base, steps) if part) + below)
            return read(node, run)

        return observed

    return (
        lambda path: watched(grammar.value(path), path, "/**"),
        lambda path: watched(grammar.nodes(path), path, ""),
    )


def _root_name(run: Any) -> str:
    return str(run.root.get("resourceType", "")) if isinstance(run.root, dict) else ""


def _address(node: Any, run: Any) -> str | None:
    """Member names from the root to a place; None for a value that is no place."""
    found = _addresses(run).get(id(node))
    return None if found is None else found[0]


def json_position(node: Any, run: Any) -> str:
    """The path from the root to a place, with the numbers of list items."""
    return _addresses(run).get(id(node), ("", ""))[1]


def _addresses(run: Any) -> dict[int, tuple[str, str]]:
    """By place: member names from the root, and the same as a path with numbers."""
    known: tuple[Any, dict[int, tuple[str, str]]] | None = run.addresses
    if known is None or known[0] is not run.root:
        found: dict[int, tuple[str, str]] = {}
        _index(run.root, "", "", found)
        known = run.addresses = (run.root, found)
    return known[1]


def _index(node: Any, at: str, path: str, found: dict[int, tuple[str, str]]) -> None:
    if isinstance(node, dict):
        found[id(node)] = at, path
        for name, value in node.items():
            _index(value, f"{at}/{name}".strip("/"), f"{path}.{name}".strip("."), found)
    elif isinstance(node, list):
        found[id(node)] = at, path
        for number, item in enumerate(node):
            _index(item, at, f"{path}[{number}]", found)

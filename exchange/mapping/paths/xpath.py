"""XPath 1.0 on C-CDA: `code/@code`, `/ClinicalDocument/id`, `observation[@classCode='OBS']/value`.

Names without a prefix are of urn:hl7-org:v3; an element's value is its text, spaces folded,
or the narrative that it refers to.
https://www.w3.org/TR/1999/REC-xpath-19991116/
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from exchange.formats import ccda
from exchange.mapping.paths.grammar import Grammar, Reader

_STOP = re.compile(r"[\s|,()]")
_QUOTED = re.compile(r"(\"[^\"]*\"|'[^']*')")
_BARE_NAME = re.compile(r"(?<![\w@:.$-])([A-Za-z_][\w-]*)(?![\w-]*(?:\(|:))")
_OPERATORS = frozenset({"and", "or", "div", "mod"})
_START = re.compile(r"[A-Za-z_./@*]")
_ATTRIBUTE = re.compile(r"(?:\./)?@([A-Za-z_]\w*)")
_NARRATIVE = etree.XPath("//*[@ID=$id]")
_CHILD_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)/@([A-Za-z_]\w*)")


def xpath_grammar() -> Grammar:
    """Compiled XPath; `path[*]` at the end gives every match instead of the first."""
    return Grammar(
        _match, _value, _nodes, ccda.parse, _position, lambda path: path.endswith("[*]"), address=_address
    )


def _match(text: str, at: int) -> int:
    if not _START.match(text, at):
        return at
    depth, quote, end = 0, "", at
    while end < len(text):
        character = text[end]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and depth:
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif depth == 0 and _STOP.match(character):
            break
        end += 1
    return end


def compiled_xpath(path: str, *, smart: bool = False) -> etree.XPath:
    """The XPath; `smart` strings know the element they come from. ValueError for what is no XPath."""
    qualified = "".join(
        part if part[:1] in ("'", '"') else _BARE_NAME.sub(_qualify, part) for part in _QUOTED.split(path)
    )
    try:
        return etree.XPath(qualified, namespaces=ccda.NAMESPACES, smart_strings=smart)
    except etree.XPathSyntaxError as error:
        raise ValueError(f"`{path}` is no XPath: {error}") from None


def _qualify(name: re.Match[str]) -> str:
    return name.group() if name.group() in _OPERATORS else f"cda:{name.group()}"


def _value(path: str) -> Reader:
    if found := _ATTRIBUTE.fullmatch(path):
        return _attribute(found.group(1))
    if found := _CHILD_ATTRIBUTE.fullmatch(path):
        return _child_attribute(*found.groups())
    every = path.endswith("[*]")
    select = compiled_xpath(path.removesuffix("[*]"))

    def read(node: Any, _run: Any) -> Any:
        found = select(node)
        if not isinstance(found, list):
            return found if found != "" else None
        if every:
            return [text for text in map(_text, found) if text] or None
        return _text(found[0]) if found else None

    return read


def _attribute(name: str) -> Reader:
    return lambda node, _run: (node.get(name) or "").strip() or None


def _child_attribute(child: str, name: str) -> Reader:
    tag = f"{{{ccda.NAMESPACES['cda']}}}{child}"

    def read(node: Any, _run: Any) -> str | None:
        found = node.find(tag)
        return None if found is None else (found.get(name) or "").strip() or None

    return read


def _text(found: Any) -> str | None:
    if isinstance(found, str):
        return " ".join(found.split()) or None
    return _folded(found) or _referred(found)


def _folded(element: Any) -> str | None:
    """All text below an element."""
    return " ".join(" ".join(map(str, element.itertext())).split()) or None


def _referred(element: Any) -> str | None:
    narrative = referred_narrative(element)
    return None if narrative is None else _folded(narrative)


def referred_narrative(element: Any) -> Any:
    """The narrative element that `<reference value="#id"/>` below an element points to, or None."""
    reference = element.find(f"{{{ccda.NAMESPACES['cda']}}}reference")
    name = "" if reference is None else reference.get("value", "")
    found = _NARRATIVE(element, id=name[1:]) if name.startswith("#") else []
    return found[0] if isinstance(found, list) and found else None


def _address(node: Any) -> str | None:
    """Where an element stands, counted from the root: names and numbers of elements only."""
    path: str = node.getroottree().getpath(node)
    return path


def _nodes(path: str) -> Reader:
    """Elements, in document order; `.` is the place itself."""
    if path == ".":
        return lambda node, _run: [node]
    select = compiled_xpath(path.removesuffix("[*]"))
    return lambda node, _run: select(node)


def _position(node: Any) -> str:
    return f"line {node.sourceline}" if getattr(node, "sourceline", None) else ""

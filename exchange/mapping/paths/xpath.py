"""XPath 1.0 on C-CDA: `code/@code`, `/ClinicalDocument/id`, `observation[template('4.4')]/value`.

Names without a prefix are of urn:hl7-org:v3; an element's value is its text, spaces folded,
or the narrative that it refers to.
https://www.w3.org/TR/1999/REC-xpath-19991116/
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from lxml import etree

from exchange.formats import ccda
from exchange.formats.ccda_narrative import folded, lines, referred
from exchange.formats.ccda_templates import recognise
from exchange.mapping.paths.axes import Nodes, itself
from exchange.mapping.paths.cda_names import check_names
from exchange.mapping.paths.grammar import Grammar, Reader
from exchange.mapping.paths.standing import standing
from exchange.mapping.paths.steps import compile_steps

_STOP = re.compile(r"[\s|,()]")
_QUOTED = re.compile(r"(\"[^\"]*\"|'[^']*')")
_BARE_NAME = re.compile(r"(?<![\w@.$-])(?<![^:]:)([A-Za-z_][\w-]*)(?![\w-]*(?:\(|:))")
_OPERATORS = frozenset({"and", "or", "div", "mod"})
_START = re.compile(r"[A-Za-z_./@*]")
_TEMPLATE = re.compile(r"template\(([^)]*)\)")
# Counted in C: very many may stand side by side.
_BEFORE = etree.XPath("count(preceding-sibling::*[local-name()=$name][namespace-uri()=$space])")
_EVERY, _LINES = "[*]", "[lines]"
_remembered = lru_cache(maxsize=1 << 13)  # a path stands in a map again and again, and in its observer


def xpath_grammar() -> Grammar:
    """Compiled XPath; `path[*]` gives every match instead of the first, `path[lines]` its lines."""
    return Grammar(
        match=_match,
        value=_value,
        nodes=_nodes,
        open=_open,
        position=_position,
        many=lambda path: path.endswith(_EVERY),
        address=_address,
        around=lambda node: node.iterancestors(),
        below=_below,
    )


def _below(path: str, _place: str) -> str:
    """What lies below an element depends on the document; its names are those of CDA and XPath."""
    check_names(path.removesuffix(_EVERY).removesuffix(_LINES))
    return ""


def _open(payload: bytes) -> Any:
    return recognise(ccda.parse(payload))


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


@_remembered
def compiled_xpath(path: str, *, smart: bool = False) -> etree.XPath:
    """The XPath; `smart` strings know the element they come from. ValueError for what is no XPath."""
    plain = _TEMPLATE.sub(_template, path)
    qualified = "".join(
        part if part[:1] in ("'", '"') else _BARE_NAME.sub(_qualify, part) for part in _QUOTED.split(plain)
    )
    try:
        return etree.XPath(qualified, namespaces=ccda.NAMESPACES, smart_strings=smart)
    except etree.XPathSyntaxError as error:
        raise ValueError(f"`{path}` is no XPath: {error}") from None


def _template(call: re.Match[str]) -> str:
    """`template('4.4', '4.16')` in XPath's own words."""
    roots = [ccda.template_root(name.strip().strip("'\"")) for name in call.group(1).split(",")]
    return "({})".format(" or ".join(f"templateId/@root='{root}'" for root in roots))


def _qualify(name: re.Match[str]) -> str:
    return name.group() if name.group() in _OPERATORS else f"cda:{name.group()}"


@_remembered
def _value(path: str) -> Reader:
    if path.endswith(_LINES):
        return _first_value(_elements(path.removesuffix(_LINES)), "", lines)
    every = path.endswith(_EVERY)
    plain = path.removesuffix(_EVERY)
    steps = compile_steps(plain)
    if steps is None:
        read = _evaluated(compiled_xpath(plain), every)
    else:
        read = _every_value(*steps) if every else _first_value(*steps, _text)
    return _once(plain + _EVERY if every else plain, read) if plain.startswith("/") else read


def _once(path: str, read: Reader) -> Reader:
    """The reader of a path from the document down, run once for a record."""

    def once(node: Any, run: Any) -> Any:
        if run is None:
            return read(node, run)
        if path not in run.memo:
            run.memo[path] = read(node, run)
        return run.memo[path]

    return once


def _evaluated(select: etree.XPath, every: bool) -> Reader:
    def read(node: Any, _run: Any) -> Any:
        found = select(node)
        if not isinstance(found, list):
            return found if found != "" else None
        if every:
            return [text for text in map(_text, found) if text] or None
        return _text(found[0]) if found else None

    return read


def _first_value(nodes: Nodes, attribute: str, text: Any) -> Reader:
    def element(node: Any, run: Any) -> Any:
        for item in nodes(node, run):
            return text(item)
        return None

    def own(node: Any, _run: Any) -> str | None:
        value = node.get(attribute)
        return (" ".join(value.split()) or None) if value else None

    def of_attribute(node: Any, run: Any) -> str | None:
        for item in nodes(node, run):
            value = item.get(attribute)
            if value is not None:
                return " ".join(value.split()) or None
        return None

    if attribute:
        return own if nodes is itself else of_attribute
    return element


def _every_value(nodes: Nodes, attribute: str) -> Reader:
    def read(node: Any, run: Any) -> Any:
        found = ((item.get(attribute) or None) if attribute else item for item in nodes(node, run))
        return [text for text in map(_text, (item for item in found if item is not None)) if text] or None

    return read


def _text(found: Any) -> str | None:
    if isinstance(found, str):
        return " ".join(found.split()) or None
    return folded(found) or referred(found)


def _address(node: Any, run: Any) -> str | None:
    """Where an element stands, counted from the root: names and numbers of elements only."""
    return standing(run).address(node)


def _nodes(path: str) -> Reader:
    """Elements, in document order; `.` is the place itself."""
    if path == ".":
        return lambda node, _run: [node]
    return _elements(path.removesuffix(_EVERY))


@_remembered
def _elements(path: str) -> Nodes:
    steps = compile_steps(path)
    if steps is not None and not steps[1]:
        return steps[0]
    select = compiled_xpath(path)

    def selected(node: Any, _run: Any) -> Any:
        return select(node)

    return selected


def _position(node: Any) -> str:
    """The line, and the path from the root: a document may be all one line."""
    if not isinstance(node, etree._Element):
        return ""
    steps = [_numbered(each) for each in (*reversed(list(node.iterancestors())), node)]
    return f"line {node.sourceline} {'/'.join(steps[1:])}".strip()


def _numbered(element: Any) -> str:
    """Its name, with its number where others of that name stand beside it."""
    name = etree.QName(element)
    before: Any = _BEFORE(element, name=name.localname, space=name.namespace or "")
    is_one = before == 0 and next(element.itersiblings(element.tag), None) is None
    return name.localname if is_one else f"{name.localname}[{int(before) + 1}]"

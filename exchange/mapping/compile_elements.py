"""Element trees become closures, checked against the FHIR type they fill.

An object whose source rows are all empty is left out: a constant alone never makes an element.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.analysis import is_constant, is_local, may_be_list, paths_of
from exchange.mapping.compile_expression import compile_expression, parse_expression, wrong_path
from exchange.mapping.content import Node, walk
from exchange.mapping.language import Compiled, Language, Row, Spot
from exchange.mapping.outcomes import check_condition, check_outcomes
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.shapes import (
    Fields,
    build_object,
    build_observed,
    concatenate,
    for_each,
    for_first,
    guarded,
    remembered_by,
    shape,
)
from exchange.model.fhir_types import Element, fhir_type, is_primitive

EACH, WHEN, VALUE = "$each", "$when", "$value"


def compile_fields(table: dict[str, Node], type_name: str, language: Language, spot: Spot) -> Fields:
    """The rows of an object of a FHIR type; dotted names reach into an element (`meta.profile`)."""
    fields: Fields = []
    for name, node in table.items():
        if name in (EACH, WHEN):
            continue
        element = element_of(type_name, name, node, spot)
        inner = spot.at(node, f"{spot.element}.{name}")
        compiled = compile_element(element, language, inner)
        fields.append((name, compiled.read, compiled.constant))
    return fields


def check_complete(table: dict[str, Node], type_name: str, spot: Spot) -> None:
    """ContentError when an element that every value of the type needs has no row."""
    have = {name.partition(".")[0].removeprefix("_") for name in table}
    needed: dict[str, set[str]] = {}
    for element in fhir_type(type_name).elements.values():
        if element.required:
            needed.setdefault(element.choice or element.name, set()).add(element.name)
    for forms in needed.values():
        if not forms & have:
            raise spot.node.fail(f"a {type_name} needs {' or '.join(sorted(forms))}", spot.element, forms)


def element_of(type_name: str, name: str, node: Node, spot: Spot) -> Element:
    """The element of the table; ContentError listing what the type has."""
    head, _, rest = name.partition(".")
    elements = fhir_type(type_name).elements
    if head.startswith("_") and head[1:] in elements and is_primitive(elements[head[1:]].type):
        of = elements[head[1:]]
        return Element(name=head, type="Element", list=of.list)
    if head not in elements:
        valid = [each for each in elements if each not in ("id", "extension", "modifierExtension")]
        raise node.fail(f"{type_name} has no such element", f"{spot.element}.{name}", valid)
    return element_of(elements[head].type, rest, node, spot) if rest else elements[head]


def compile_element(element: Element, language: Language, spot: Spot) -> Compiled:
    """The reader of one element, shaped as the element is (a list or a single value)."""
    node = spot.node
    if isinstance(node.value, list):
        items = [compile_item(element, language, spot.at(item)) for item in node.value]
        constant = all(item.constant for item in items)
        if not element.list and any(item.constant for item in items[:-1]):
            raise node.fail("what follows a constant is never reached: this element holds one", spot.element)
        compiled = Compiled(concatenate([item.read for item in items]), constant, many=True)
    else:
        compiled = compile_item(element, language, spot)
    return Compiled(shape(compiled, element.list), compiled.constant, element.list)


def compile_item(element: Element, language: Language, spot: Spot) -> Compiled:
    """One value (or, with `$each`, many) of an element."""
    if isinstance(spot.node.value, dict):
        if is_primitive(element.type):
            return _placed_value(element, language, spot)
        return _object(element, language, spot)
    return _scalar(element, language, spot)


def _placed_value(element: Element, language: Language, spot: Spot) -> Compiled:
    """A primitive at another place or under a condition: `{$each: path, $when: …, $value: expression}`."""
    table = spot.node.value
    if VALUE not in table or not set(table) <= {VALUE, EACH, WHEN}:
        raise spot.node.fail(
            f"a {element.type} is one value (or `$value` with `$each`, `$when`)", spot.element
        )
    inner = _scalar(element, language, _inside(table, language, spot).at(table[VALUE]))
    return _placed(table, inner, element, language, spot)


def _written(node: Node) -> str:
    """The row as the map file has it."""
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def _scalar(element: Element, language: Language, spot: Spot) -> Compiled:
    expression = parse_expression(language, spot)
    check_outcomes(expression, element, language, spot)
    paths = paths_of(expression)
    aimed = replace(spot, depth=0, paths=paths)
    read = compile_expression(expression, language, aimed, _Fragments(element))
    calls = tuple(item.name for item in ex.walk(expression) if isinstance(item, ex.Call))
    place = f"{spot.node.file}:{spot.node.line}"
    language.rows.append(Row(spot.element, _written(spot.node), place, paths, calls))
    if language.observed:
        read = _observe(read, len(language.rows) - 1, language)
    return Compiled(read, is_constant(expression), may_be_list(expression, language))


def _observe(read: Reader, row: int, language: Language) -> Reader:
    """The reader, leaving a note in the Run of every value it gives."""

    def observed(node: Any, run: Any) -> Any:
        value = read(node, run)
        if value is not None and run is not None:
            run.traced.append((row, language.grammar.position(node)))
        return value

    return observed


class _Fragments:
    """Compiles `path as NAME` for the element it fills."""

    def __init__(self, element: Element) -> None:
        self.element = element

    def __call__(self, language: Language, path: ex.Path, spot: Spot) -> Reader:
        name = path.fragment or ""
        if name not in language.types:
            raise spot.node.fail(f"`{name}` is no fragment", f"{spot.element}.{name}", language.types)
        if spot.element.count(f"({name})") > 2:
            raise spot.node.fail(f"fragment `{name}` contains itself", spot.element)
        places, kind = _nodes(path.text, language, spot)
        fragment = replace(spot, node=language.types[name], element=f"{spot.element}({name})", place=kind)
        built = _by_content(compile_item(self.element, language, fragment), language, fragment)
        return for_each(places, built) if self.element.list else for_first(places, built.read)


def _by_content(inner: Compiled, language: Language, spot: Spot) -> Compiled:
    """The reader run once for places of equal content, where it reads nothing else."""
    if language.observed or not _reads_only_its_place(spot.node, language, spot):
        return inner
    content = language.grammar.content
    read = remembered_by(lambda node, _run: content(node), inner.read)
    return Compiled(read, inner.constant, inner.many)


def _reads_only_its_place(node: Node, language: Language, spot: Spot) -> bool:
    for part in walk(node):
        if isinstance(part.value, (dict, list)):
            continue
        expression = parse_expression(language, spot.at(part))
        if not is_local(expression, language):
            return False
        for item in ex.walk(expression):
            fragment = language.types.get(item.fragment or "") if isinstance(item, ex.Path) else None
            if fragment is not None and not _reads_only_its_place(fragment, language, spot):
                return False
    return True


def _nodes(path: str, language: Language, spot: Spot) -> tuple[Reader, str]:
    """The reader of places and their kind."""
    try:
        return language.grammar.nodes(path), language.grammar.below(path, spot.place)
    except ValueError as error:
        raise wrong_path(error, spot) from None


def _object(element: Element, language: Language, spot: Spot) -> Compiled:
    table = spot.node.table(spot.element)
    if dotted := [name for name in table if "." in name]:
        raise table[dotted[0]].fail("dotted names only stand directly below an entry", spot.element)
    if not set(table) - {EACH, WHEN}:
        raise spot.node.fail(f"a {element.type} needs elements", spot.element)
    check_complete(table, element.type, spot)
    fields = compile_fields(table, element.type, language, _inside(table, language, spot))
    build = build_observed if language.observed else build_object
    inner = Compiled(build(fields), all(field[2] for field in fields), many=False)
    return _placed(table, inner, element, language, spot)


def _inside(table: dict[str, Node], language: Language, spot: Spot) -> Spot:
    """The spot seen from the places of the table's `$each`."""
    return replace(spot, place=compile_places(table[EACH], language, spot)[1]) if EACH in table else spot


def _placed(
    table: dict[str, Node], inner: Compiled, element: Element, language: Language, spot: Spot
) -> Compiled:
    """The reader under the table's `$when`, for each place of its `$each`."""
    if WHEN in table:
        condition = compile_condition(table[WHEN], language, _inside(table, language, spot))
        inner = Compiled(guarded(condition, inner.read), False, inner.many)
    if EACH in table:
        places, kind = compile_places(table[EACH], language, spot)
        rest = {name: node for name, node in table.items() if name != EACH}
        inside = replace(spot, node=Node(rest, spot.node.file, spot.node.line), place=kind)
        inner = _by_content(inner, language, inside)
        read = for_each(places, inner) if element.list else for_first(places, inner.read)
        inner = Compiled(read, False, element.list)
    return inner


def compile_condition(node: Node, language: Language, spot: Spot) -> Reader:
    """A `when`: the reader of a truth value."""
    aimed = spot.at(node, f"{spot.element}.{WHEN}")
    expression = parse_expression(language, aimed)
    check_condition(expression, aimed)
    return compile_expression(expression, language, aimed, _Fragments(Element("", "Element")))


def compile_places(node: Node, language: Language, spot: Spot) -> tuple[Reader, str]:
    """An `each`: the reader of places, and their kind."""
    aimed = spot.at(node, f"{spot.element}.{EACH}")
    expression = parse_expression(language, aimed)
    if not isinstance(expression, ex.Path) or expression.fragment:
        raise node.fail("one path is needed here", aimed.element)
    return _nodes(expression.text, language, aimed)

"""Element trees become source, checked against the FHIR type they fill.

An object whose source rows are all empty is left out: a constant alone never makes an element.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.analysis import is_constant, is_local, may_be_list, paths_of
from exchange.mapping.compile_expression import compile_expression, parse_expression, wrong_path
from exchange.mapping.content import Node, walk
from exchange.mapping.language import Compiled, Field, Language, Row, Spot, path_below
from exchange.mapping.outcomes import check_condition, check_outcomes
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.observed import element_position, json_position
from exchange.mapping.paths.places import FIELD
from exchange.mapping.remembering import is_whole_field, remembered_field, remembered_place
from exchange.mapping.shapes import build_object, concatenate, for_each, for_first, guarded, shape
from exchange.mapping.source import Write, Writer, assembled, called, reader, same
from exchange.model.fhir_types import Element, fhir_type, is_primitive

EACH, WHEN, VALUE = "$each", "$when", "$value"


def compile_fields(table: dict[str, Node], type_name: str, language: Language, spot: Spot) -> list[Field]:
    """The rows of an object of a FHIR type; dotted names reach into an element (`meta.profile`)."""
    fields = []
    for name, node in table.items():
        if name in (EACH, WHEN):
            continue
        element = element_of(type_name, name, node, spot)
        inner = spot.at(node, f"{spot.element}.{name}")
        fields.append(Field(name, compile_element(element, language, inner)))
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
    """One element, shaped as the element is (a list or a single value)."""
    node = spot.node
    if isinstance(node.value, list):
        items = [compile_item(element, language, spot.at(item)) for item in node.value]
        constant = all(item.constant for item in items)
        if not element.list and any(item.constant for item in items[:-1]):
            raise node.fail("what follows a constant is never reached: this element holds one", spot.element)
        values = [value for item in items for value in _listed(item.value)]
        compiled = Compiled(concatenate([item.write for item in items]), constant, True, values)
    else:
        compiled = compile_item(element, language, spot)
    listed = _listed(compiled.value)
    value = listed if element.list else next(iter(listed), None)
    return _settled(Compiled(shape(compiled, element.list), compiled.constant, element.list, value), language)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _settled(compiled: Compiled, language: Language) -> Compiled:
    """What is the same for every record is made once; to observers it is written all the same."""
    if not compiled.constant or language.observed:
        return compiled
    return replace(compiled, write=same(compiled.value))


def compile_item(element: Element, language: Language, spot: Spot) -> Compiled:
    """One value (or, with `$each`, many) of an element."""
    if isinstance(spot.node.value, dict):
        if is_primitive(element.type) or (element.type == "Reference" and VALUE in spot.node.value):
            return _placed_value(element, language, spot)
        return _object(element, language, spot)
    return _scalar(element, language, spot)


def _placed_value(element: Element, language: Language, spot: Spot) -> Compiled:
    """A primitive or reference elsewhere or on a condition: `{$each: …, $when: …, $value: expression}`."""
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
    read = tuple(path_below(spot.around, path, language.format) for path in paths)
    aimed = replace(spot, depth=0, paths=read)
    write = compile_expression(expression, language, aimed, _Fragments(element))
    calls = tuple(item.name for item in ex.walk(expression) if isinstance(item, ex.Call))
    place = f"{spot.node.file}:{spot.node.line}"
    language.rows.append(Row(spot.element, _written(spot.node), place, paths, calls, spot.entry))
    constant = is_constant(expression)
    value = _value_of(expression, write) if constant else None
    if language.observed:
        write = _observe(write, len(language.rows) - 1, language)
    return Compiled(write, constant, may_be_list(expression, language), value)


def _value_of(expression: ex.Expression, write: Write) -> Any:
    """The value of an expression that reads nothing."""
    if isinstance(expression, (ex.Literal, ex.System)):
        writer = Writer()
        return writer.names[write(writer, "at")]
    return assembled(write, "a constant")(None, None)


_WITHIN_RECORD = {"hsds_json": json_position, "x12": json_position, "ccda": element_position}
"""Positions that are told from what else the record holds: counted once for all of it."""


def _observe(write: Write, row: int, language: Language) -> Write:
    """What leaves a note in the Run of every value given."""
    within_record = _WITHIN_RECORD.get(language.format)
    position, more = (language.grammar.position, "") if within_record is None else (within_record, ", run")

    def observed(writer: Writer, at: str) -> str:
        value = write(writer, at)
        with writer.block(f"if {value} is not None and run is not None"):
            writer.line(f"run.traced.append(({row}, {writer.constant(position)}({at}{more})))")
        return value

    return observed


class _Fragments:
    """Compiles `path as NAME` for the element it fills."""

    def __init__(self, element: Element) -> None:
        self.element = element

    def __call__(self, language: Language, path: ex.Path, spot: Spot) -> Write:
        name = path.fragment or ""
        if name not in language.types:
            raise spot.node.fail(f"`{name}` is no fragment", f"{spot.element}.{name}", language.types)
        if spot.element.count(f"({name})") > 2:
            raise spot.node.fail(f"fragment `{name}` contains itself", spot.element)
        places, kind = _nodes(path.text, language, spot)
        fragment = _below(
            replace(spot, node=language.types[name], element=f"{spot.element}({name})"),
            path.text,
            kind,
            language,
        )
        inner = compile_item(self.element, language, fragment)
        return _at_places(places, path.text, inner, self.element, language, fragment)


def _at_places(
    places: Write, path: str, inner: Compiled, element: Element, language: Language, inside: Spot
) -> Write:
    """What is made at each place of a path (the first for an element that holds one)."""
    known = (
        inside.place == FIELD
        and not language.observed
        and _reads_only_its_place(inside.node, language, inside)
    )
    whole = known and is_whole_field(path)
    write = remembered_place(inner.write, inside.element) if known and not whole else inner.write
    made = for_each(places, write, many=inner.many) if element.list else for_first(places, write)
    return remembered_field(made, path, inside.element) if whole else made


def _reads_only_its_place(node: Node, language: Language, spot: Spot) -> bool:
    """Whether nothing but the text of a field of HL7 v2 is read."""
    if language.format != "hl7v2":
        return False
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


def _nodes(path: str, language: Language, spot: Spot) -> tuple[Write, str]:
    """The places of a path, and their kind."""
    grammar = language.grammar
    read, kind = _places(path, language, spot)
    return called(read) if grammar.written_nodes is None else grammar.written_nodes(path, read), kind


def _places(path: str, language: Language, spot: Spot) -> tuple[Reader, str]:
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
    constant = all(field.compiled.constant for field in fields)
    value = {field.name: field.compiled.value for field in fields} if constant else None
    write = build_object(fields, observed=language.observed)
    inner = _settled(Compiled(write, constant, False, value), language)
    return _placed(table, inner, element, language, spot)


def _inside(table: dict[str, Node], language: Language, spot: Spot) -> Spot:
    """The spot seen from the places of the table's `$each`."""
    if EACH not in table:
        return spot
    kind = compile_places(table[EACH], language, spot)[1]
    return _below(spot, _one_path(table[EACH], language, spot), kind, language)


def _below(spot: Spot, path: str, kind: str, language: Language) -> Spot:
    """The spot seen from the places of a path, which are of a kind."""
    return replace(spot, place=kind, around=path_below(spot.around, path, language.format))


def _placed(
    table: dict[str, Node], inner: Compiled, element: Element, language: Language, spot: Spot
) -> Compiled:
    """What is made under the table's `$when`, for each place of its `$each`."""
    if WHEN in table:
        condition = write_condition(table[WHEN], language, _inside(table, language, spot))
        inner = Compiled(guarded(condition, inner.write), False, inner.many)
    if EACH in table:
        path = _one_path(table[EACH], language, spot)
        places, kind = _nodes(path, language, spot.at(table[EACH], f"{spot.element}.{EACH}"))
        rest = {name: node for name, node in table.items() if name != EACH}
        inside = replace(spot, node=Node(rest, spot.node.file, spot.node.line), place=kind)
        write = _at_places(places, path, inner, element, language, inside)
        inner = Compiled(write, False, element.list)
    return inner


def compile_condition(node: Node, language: Language, spot: Spot) -> Reader:
    """A `when`: the reader of a truth value."""
    return reader(write_condition(node, language, spot), f"{spot.element}.{WHEN}")


def write_condition(node: Node, language: Language, spot: Spot) -> Write:
    """A `when`: what writes a truth value."""
    aimed = spot.at(node, f"{spot.element}.{WHEN}")
    expression = parse_expression(language, aimed)
    check_condition(expression, aimed)
    return compile_expression(expression, language, aimed, _Fragments(Element("", "Element")))


def compile_places(node: Node, language: Language, spot: Spot) -> tuple[Reader, str]:
    """An `each`: the reader of places, and their kind."""
    return _places(_one_path(node, language, spot), language, spot.at(node, f"{spot.element}.{EACH}"))


def write_places(node: Node, language: Language, spot: Spot) -> Write:
    """An `each`: what writes places."""
    path = _one_path(node, language, spot)
    return _nodes(path, language, spot.at(node, f"{spot.element}.{EACH}"))[0]


def _one_path(node: Node, language: Language, spot: Spot) -> str:
    aimed = spot.at(node, f"{spot.element}.{EACH}")
    expression = parse_expression(language, aimed)
    if not isinstance(expression, ex.Path) or expression.fragment:
        raise node.fail("one path is needed here", aimed.element)
    return expression.text

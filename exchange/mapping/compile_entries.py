"""The entries of a map, checked and compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from exchange.mapping.analysis import needed_paths
from exchange.mapping.claims import compile_claims
from exchange.mapping.compile_elements import (
    check_complete,
    compile_condition,
    compile_fields,
    compile_places,
    write_condition,
    write_places,
)
from exchange.mapping.compile_expression import compile_expression, parse_expression
from exchange.mapping.content import Node, merge
from exchange.mapping.copied import copied
from exchange.mapping.entries import ANY, Entry
from exchange.mapping.language import Field, Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.places import SEGMENTS
from exchange.mapping.reads import remembered_element, remembered_entry
from exchange.mapping.run import Run
from exchange.mapping.source import Write, reader, same
from exchange.mapping.written_entries import written_key, written_made, written_places, written_resource
from exchange.model.fhir_types import type_names
from exchange.model.records import Format

ENTRY_FIELDS = (
    "resource",
    "within",
    "each",
    "when",
    "id",
    "like",
    "profile",
    "set",
    "copy",
    "required",
    "deleted",
    "conditional",
    "tell",
    "apart",
    "note",
    "snapshot",
)


def with_likes(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The entries, each with the `set` of the one it is `like` beneath its own."""
    return {name: _like(name, nodes, ()) for name in nodes}


def _like(name: str, nodes: Mapping[str, Node], above: tuple[str, ...]) -> Node:
    node = nodes[name]
    table = node.table(f"entries.{name}", ENTRY_FIELDS)
    if "like" not in table:
        return node
    other = table["like"].text("like")
    if other not in nodes:
        raise table["like"].fail(f"`{other}` is no entry", f"entries.{name}.like.{other}", nodes)
    if other in above:
        raise table["like"].fail("`like` goes in a circle", f"entries.{name}.like")
    base = _like(other, nodes, (*above, name)).table(f"entries.{other}")
    if "set" not in base:
        raise table["like"].fail(f"`{other}` has no `set`", f"entries.{name}.like.{other}")
    rows = merge(base["set"], table["set"]) if "set" in table else base["set"]
    return Node({**table, "set": rows}, node.file, node.line)


def compile_entries(nodes: Mapping[str, Node], language: Language) -> dict[str, Entry]:
    """All entries by name, parents first; they are put into `language.targets` for references."""
    for name in nodes:
        _compile_entry(name, nodes, language, ())
    return dict(language.targets)


def _compile_entry(name: str, nodes: Mapping[str, Node], language: Language, below: tuple[str, ...]) -> Entry:
    if name in language.targets:
        known: Entry = language.targets[name]
        return known
    if name in below:
        raise nodes[name].fail("`within` goes in a circle", f"entries.{name}.within")
    table = nodes[name].table(f"entries.{name}", ENTRY_FIELDS)
    resource = language.entries[name]
    parent = _parent(name, table, nodes, language, below)
    outer = Spot(
        nodes[name],
        f"entries.{name}" if resource == ANY else resource,
        name,
        place=_outer_place(resource, parent, language),
    )
    each, place = compile_places(table["each"], language, outer) if "each" in table else (None, outer.place)
    spot = replace(outer, place=place)
    language.places[name] = place
    required, needed = _required(table, language, outer)
    key = written_key(_key(table, language, spot), spot)
    fields = _fields(table, resource, language, spot)
    made = written_made(
        remembered_entry(
            written_resource(name, resource, fields, compile_claims(table, language, spot), language),
            table,
            language,
            spot,
        ),
        write_condition(table["deleted"], language, spot) if "deleted" in table else None,
        _conditional(table, language, spot),
    )
    done = language.targets[name] = Entry(
        name=name,
        resource=resource,
        within=parent,
        each=each,
        when=compile_condition(table["when"], language, spot) if "when" in table else None,
        select=written_places(
            write_places(table["each"], language, outer) if "each" in table else None,
            write_condition(table["when"], language, spot) if "when" in table else None,
            spot,
        ),
        key=key,
        build=reader(made, spot.element),
        tell=_tell(table, language, spot),
        apart=_address_of(language) if _is_on("apart", table, language, "ccda") else None,
        required=required,
        needed=needed,
        everywhere=language.format == "hl7v2",
        elements=language.format == "ccda",
        needs=_needs(table, parent, language),
        wants=_wants(table, language, spot),
        snapshot=_snapshot(table, language, outer),
        anchor=_anchor(table, parent, language),
        named=table["each"].text("each") if language.format == "hl7v2" and "each" in table else "",
    )
    return done


def _conditional(table: dict[str, Node], language: Language, spot: Spot) -> Write | None:
    """`true`: nothing that the feed says of it ever counts where more is known."""
    if "conditional" not in table:
        return None
    if table["conditional"].value is True:
        return same(True)
    return write_condition(table["conditional"], language, spot)


def _needs(table: dict[str, Node], parent: Entry | None, language: Language) -> tuple[frozenset[str], ...]:
    """What one of its places needs, and what one around it."""
    own = language.grammar.needs(table["each"].text("each")) if "each" in table else frozenset()
    return ((own,) if own else ()) + (parent.needs if parent is not None else ())


def _wants(table: dict[str, Node], language: Language, spot: Spot) -> tuple[tuple[str, int], ...]:
    """Fields without which it has no place; to observers, and where it says what is there no more, none."""
    if language.observed or {"snapshot", "required"} & set(table):
        return ()
    paths = [table["each"].text("each")] if "each" in table else []
    if "when" in table:
        paths += needed_paths(parse_expression(language, spot.at(table["when"])))
    found = [language.grammar.wants(path) for path in paths]
    return tuple(dict.fromkeys(wanted for wanted in found if wanted is not None))


def _anchor(
    table: dict[str, Node], parent: Entry | None, language: Language
) -> Callable[[Any, str], Any] | None:
    if parent is not None:
        return parent.anchor
    return language.grammar.anchor(table["each"].text("each")) if "each" in table else None


def _snapshot(table: dict[str, Node], language: Language, outer: Spot) -> Reader | None:
    """The key under which a record says all there is; `null` where a partner sends only what changes."""
    if "snapshot" not in table or table["snapshot"].value is None:
        return None
    if "each" not in table:
        raise table["snapshot"].fail(
            "a snapshot needs `each`: the places it consists of", f"{outer.entry}.snapshot"
        )
    spot = outer.at(table["snapshot"], f"{outer.element}.snapshot")
    return reader(
        compile_expression(parse_expression(language, spot), language, spot, _no_fragment), spot.element
    )


def _required(table: dict[str, Node], language: Language, spot: Spot) -> tuple[str, Reader | None]:
    """What is said of a record that makes none, and for which it holds: text, or `{when, because}`."""
    if "required" not in table:
        return "", None
    field = f"entries.{spot.entry}.required"
    node = table["required"]
    if not isinstance(node.value, dict):
        return node.text(field), None
    parts = node.table(field, ("when", "because"))
    if set(parts) != {"when", "because"}:
        raise node.fail("a conditional requirement needs `when` and `because`", field)
    return parts["because"].text(field), compile_condition(parts["when"], language, spot)


def _outer_place(resource: str, parent: Entry | None, language: Language) -> str:
    """The kind of place that an entry's `each` starts from."""
    if parent is not None:
        return language.places[parent.name]
    if language.format == "hl7v2":
        return SEGMENTS
    return resource if language.format == "fhir_json" and resource != ANY else ""


def _fields(table: dict[str, Node], resource: str, language: Language, spot: Spot) -> list[Field]:
    """The rows of `set`; what every resource of the type needs must be there unless the source is copied."""
    kind = "DomainResource" if resource == ANY else resource
    rows = table["set"].table(f"entries.{spot.entry}.set") if "set" in table else {}
    if "id" in rows:
        raise rows["id"].fail("an id is made from the `id` of the entry", f"entries.{spot.entry}.set.id")
    if "copy" not in table:
        check_complete(rows, kind, spot)
    return [
        remembered_element(field, rows[field.name], language, spot)
        for field in compile_fields(rows, kind, language, spot)
    ]


def _is_on(name: str, table: dict[str, Node], language: Language, only: Format) -> bool:
    if name not in table:
        return False
    if table[name].value is not True:
        raise table[name].fail("write `true`, or leave it out", name)
    if language.format != only:
        raise table[name].fail(f"only a {only} map can have this", name)
    return True


def _address_of(language: Language) -> Reader:
    return language.grammar.address


def _tell(table: dict[str, Node], language: Language, spot: Spot) -> Reader | None:
    """What an entry tells wherever it makes something: an information issue; to observers, what it copies."""
    trace = copied(table["copy"], language) if language.observed and "copy" in table else None
    if "tell" not in table:
        return trace
    words, resource, position = table["tell"].text("tell"), spot.element, language.grammar.position

    def tell(place: Any, run: Run) -> None:
        run.note("information", "informational", words, resource, "", position)
        if trace is not None:
            trace(place, run)

    return tell


def _parent(
    name: str, table: dict[str, Node], nodes: Mapping[str, Node], language: Language, below: tuple[str, ...]
) -> Entry | None:
    if "within" not in table:
        return None
    parent = table["within"].text("within")
    if parent not in nodes:
        raise table["within"].fail(f"`{parent}` is no entry", f"entries.{name}.within.{parent}", nodes)
    return _compile_entry(parent, nodes, language, (*below, name))


def resource_type(name: str, node: Node) -> str:
    """The type an entry makes, checked."""
    table = node.table(f"entries.{name}", ENTRY_FIELDS)
    if "resource" not in table:
        raise node.fail("an entry needs `resource`", f"entries.{name}.resource")
    wanted = table["resource"].text("resource")
    if wanted != ANY and wanted not in type_names("resource"):
        raise table["resource"].fail(
            "no such resource type", f"entries.{name}.{wanted}", type_names("resource")
        )
    return wanted


def _key(table: dict[str, Node], language: Language, spot: Spot) -> list[tuple[Write, bool]]:
    """The parts of the key, and whether each may be missing; none for a copy of the source."""
    copies = _is_on("copy", table, language, "fhir_json")
    if copies == ("id" in table):
        raise spot.node.fail("an entry needs either `id` or `copy: true`", f"entries.{spot.entry}.id")
    return [] if copies else [_key_part(item, language, spot) for item in table["id"].items()]


def _key_part(node: Node, language: Language, spot: Spot) -> tuple[Write, bool]:
    text = str(node.value)
    optional = text.endswith("??")
    aimed = spot.at(Node(text.removesuffix("??"), node.file, node.line), f"{spot.element}.id")
    expression = parse_expression(language, aimed)
    return compile_expression(expression, language, aimed, _no_fragment), optional


def _no_fragment(_language: Language, _path: Any, spot: Spot) -> Write:
    raise spot.node.fail("a key part is text, not an object", spot.element)

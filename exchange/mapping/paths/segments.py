"""HL7 v2 paths: `PID-5.1`, `PID-3[5=MR].1`, `OBX[*]-5[*]`, `.4.2` inside a repetition, groups by name.

`SEG-F` is the first repetition's first component, `SEG-F.C` a component, `SEG-F.C.S` a subcomponent and
`SEG-F.*` the whole text; `[*]` gives all, `[2]` the second, `[5=MR]` those whose component 5 is MR.
An empty field and the explicit null `""` are both no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from exchange.formats import hl7v2
from exchange.mapping.paths.fields import field_reader, first_part, part_numbers, relative_value
from exchange.mapping.paths.grammar import Grammar, Reader
from exchange.mapping.paths.names import GROUP_NAME, PARTS, SEGMENT_PATH, place_below, split_path
from exchange.mapping.paths.places import Field, Group, GroupRule, Place, instances, single_segments
from exchange.mapping.paths.written import written_nodes, written_value

_RELATIVE = re.compile(rf"({PARTS})(?![\w\[])")


def segments_grammar(groups: Mapping[str, GroupRule]) -> Grammar:
    """Paths over a message cut into `groups`."""

    def nodes(path: str) -> Reader:
        if GROUP_NAME.fullmatch(path):
            if path not in groups:
                raise ValueError(f"`{path}` is no group of this map; groups: {', '.join(sorted(groups))}")
            return _group_reader(path, groups[path])
        return _nodes(path)

    def anchor(path: str) -> Callable[[Place | Field, str], Place] | None:
        if path in groups:
            return _anchor(path, frozenset(groups[path].starts))
        found = SEGMENT_PATH.fullmatch(path)
        return _anchor(path, frozenset((path,))) if found and found.group(3) is None else None

    def needs(path: str) -> frozenset[str]:
        if path in groups:
            return frozenset(groups[path].starts)
        found = SEGMENT_PATH.fullmatch(path)
        return frozenset((found.group(1),)) if found else frozenset()

    def wants(path: str) -> tuple[str, int] | None:
        found = SEGMENT_PATH.fullmatch(path)
        return (found.group(1), int(found.group(3))) if found and found.group(3) else None

    return Grammar(
        match=_match,
        value=_value,
        nodes=nodes,
        open=_open,
        position=_position,
        many=lambda path: "[*]" in path,
        remembers=True,
        local=lambda path: path.startswith("."),
        content=_content,
        below=place_below,
        anchor=anchor,
        needs=needs,
        wants=wants,
        written_value=written_value,
        written_nodes=written_nodes,
    )


def _content(node: Any) -> str | None:
    """The text of a repetition; what it means depends on the delimiters, so only the usual ones count."""
    return node.text if type(node) is Field and node.delimiters is hl7v2.STANDARD else None


def _open(payload: bytes) -> Place:
    message = hl7v2.parse(payload)
    return Place("message", list(message.segments), None, message.delimiters)


def _match(text: str, at: int) -> int:
    for pattern in (SEGMENT_PATH, GROUP_NAME):
        if found := pattern.match(text, at):
            return found.end()
    found = _RELATIVE.match(text, at)
    end = found.end() if found else at
    return at + 1 if end == at and text.startswith(".", at) else end


def _position(node: Any) -> str:
    if isinstance(node, Field):
        return f"{_position(node.place)} {_numbered(node)}"
    if node.name == "message":
        return "message"
    number = node.occurrence + 1
    return f"{node.segments[0][0]} of {node.name} {number}" if node.segments else str(node.name)


def _numbered(field: Field) -> str:
    """The path of a repetition with its number, where there are several."""
    memo, origin = field.place.memo, field.origin
    like = memo.get(origin, [])
    known = memo.get(("numbers of", origin), {})
    if len(known) != len(like):
        # Once for all of them: each by itself would look through those before it.
        known = memo["numbers of", origin] = {id(each): at for at, each in enumerate(like, start=1)}
    number = known.get(id(field))
    plain = origin.removesuffix("[*]")
    return f"{plain}[{number}]" if number and len(like) > 1 else plain


# --- values -----------------------------------------------------------------------------------------


def _value(path: str) -> Reader:
    if path == ".":
        return relative_value(0, 0)
    if found := _RELATIVE.fullmatch(path):
        return relative_value(*part_numbers(found.group(1)))
    segment, all_segments, number, select, parts = split_path(path)
    component, subcomponent = part_numbers(parts)
    if not all_segments and not select:
        return _first_value(segment, number, component, subcomponent)
    fields = field_reader(segment, all_segments, number, select)
    if all_segments or select == "[*]":
        return _every_part(fields, component, subcomponent)
    part = relative_value(component, subcomponent)

    def read(node: Any, run: Any) -> str | None:
        found = fields(node, run)
        return part(found[0], run) if found else None

    return read


def _every_part(fields: Reader, component: int, subcomponent: int) -> Reader:
    part = relative_value(component, subcomponent)

    def read(node: Any, run: Any) -> list[str] | None:
        texts = [part(field, run) for field in fields(node, run)]
        return [text for text in texts if text is not None] or None

    return read


def _first_value(name: str, number: int, component: int, subcomponent: int) -> Reader:
    """The first repetition of a field of the nearest segment."""
    header, part = name == "MSH" and number <= 2, first_part(component, subcomponent)

    def read(node: Any, _run: Any) -> str | None:
        segment = node.first.get(name)
        if segment is None or len(segment) <= number:
            return None
        text: str = segment[number]
        return text if header else part(text, node.delimiters) if text else None

    return read


# --- places -----------------------------------------------------------------------------------------


def _nodes(path: str) -> Reader:
    if path == ".":
        return lambda node, _run: [node]
    if found := _RELATIVE.fullmatch(path):
        return _component_nodes(*part_numbers(found.group(1)))
    found = SEGMENT_PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"`{path}` is no segment, field or group")
    if found.group(3) is None:
        return _segment_reader(found.group(1))
    segment, all_segments, number, select, parts = split_path(path)
    fields = field_reader(segment, all_segments, number, select)
    if not parts:
        return fields
    inner = _component_nodes(*part_numbers(parts))
    return lambda node, run: [item for field in fields(node, run) for item in inner(field, run)]


def _component_nodes(component: int, _subcomponent: int) -> Reader:
    index = component - 1

    def read(node: Any, _run: Any) -> list[Field]:
        if index < 0:
            return [node]
        text = node.parts[index] if len(node.parts) > index else ""
        if not text or text == '""':
            return []
        return [Field(text, node.delimiters.subcomponent, node.place, node.origin)]

    return read


def _segment_reader(name: str) -> Reader:
    def read(node: Any, _run: Any) -> list[Place]:
        if name not in node.present:
            return []
        place: Place | None = node.place if type(node) is Field else node
        while place is not None:
            if place.name == name:
                return [place]
            if name in place.index:
                return single_segments(place, name)
            if name in place.members:
                return []
            place = place.outer
        return []

    return read


def _group_reader(name: str, rule: GroupRule) -> Reader:
    group = Group(name, rule, tuple(map(_value, rule.same)), tuple(map(_value, rule.distinct)))
    starts = frozenset(rule.starts)

    def read(node: Any, _run: Any) -> list[Place]:
        if starts.isdisjoint(node.present):
            return []
        place: Place | None = node.place if type(node) is Field else node
        while place is not None:
            if place.name == name:
                return [place]
            if not starts.isdisjoint(place.index):
                return instances(group, place)
            if place.members.issuperset(starts):
                return []
            place = place.outer
        return []

    return read


def _anchor(name: str, segments: frozenset[str]) -> Callable[[Place | Field, str], Place]:
    """The nearest place that has a say in where a group or segment is looked for, or is `named` so."""

    def anchored(node: Place | Field, named: str) -> Place:
        place: Place = node.place if isinstance(node, Field) else node
        while (
            place.outer is not None
            and place.name != name
            and place.name != named
            and segments.isdisjoint(place.index)
            and not (place.members and place.members.issuperset(segments))
        ):
            place = place.outer
        return place

    return anchored

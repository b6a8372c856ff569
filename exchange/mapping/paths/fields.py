"""Fields of HL7 v2: their repetitions, components and subcomponents as plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from exchange.formats import hl7v2
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.places import Field, Place

_FILTER = re.compile(r"\[(\d+)(?:\.(\d+))?=([\w|-]+)\]")


def part_numbers(text: str) -> tuple[int, int]:
    """Component and subcomponent from 1; 0 for the first of all, -1 for the whole text."""
    if text == ".*":
        return -1, 0
    numbers = [int(part) for part in text.split(".")[1:] if part != "*"]
    component = numbers[0] if numbers else 0
    return component, -1 if text.endswith(".*") else (numbers[1] if len(numbers) > 1 else 0)


def pick(text: str, wanted: int, subcomponent: int, marks: hl7v2.Delimiters) -> str | None:
    """The wanted subcomponent of a component, unescaped; the whole component for -1."""
    if subcomponent >= 0:
        if marks.subcomponent in text:
            parts = text.split(marks.subcomponent, wanted + 1)
            text = parts[wanted] if len(parts) > wanted else ""
        elif wanted:
            return None
    return clean(text, marks)


def clean(text: str, marks: hl7v2.Delimiters) -> str | None:
    """The text unescaped; None for nothing and for `""`."""
    text = text.strip()
    if not text or text == '""':
        return None
    return hl7v2.unescape(text, marks).strip() or None if marks.escape in text else text


def first_part(component: int, subcomponent: int) -> Callable[[str, hl7v2.Delimiters], str | None]:
    """A function of a field's raw text and the delimiters: a part of its first repetition, as text."""
    index, wanted = max(component - 1, 0), max(subcomponent - 1, 0)

    def part(text: str, marks: hl7v2.Delimiters) -> str | None:
        if marks.repetition in text:
            text = text.split(marks.repetition, 1)[0]
        if component < 0:
            return clean(text, marks)
        if marks.component in text:
            parts = text.split(marks.component, index + 1)
            if len(parts) <= index:
                return None
            text = parts[index]
        elif index:
            return None
        # As `one_part`, without a call: every third step of a map comes here.
        if wanted or marks.escape in text or marks.subcomponent in text or text == '""':
            return pick(text, wanted, subcomponent, marks)
        return text.strip() or None

    return part


def first_components(text: str, marks: hl7v2.Delimiters) -> list[str]:
    """The raw components of a field's first repetition."""
    return text.split(marks.repetition, 1)[0].split(marks.component)


def one_part(text: str, wanted: int, subcomponent: int, marks: hl7v2.Delimiters) -> str | None:
    """The wanted subcomponent of a component, or all of it; None for nothing and for `""`."""
    if wanted or text == '""' or marks.escape in text or marks.subcomponent in text:
        return pick(text, wanted, subcomponent, marks)
    return text.strip() or None


def relative_value(component: int, subcomponent: int) -> Reader:
    """A component of the Field that is the place."""
    if component < 0:
        return lambda field, _run: clean(field.text, field.delimiters)
    index, wanted = max(component - 1, 0), max(subcomponent - 1, 0)

    def read(field: Any, _run: Any) -> str | None:
        parts = field.parts
        if len(parts) <= index:
            return None
        text: str = parts[index]
        if not text:
            return None
        return one_part(text, wanted, subcomponent, field.delimiters)

    return read


def field_reader(name: str, all_segments: bool, number: int, select: str) -> Reader:
    """The selected repetitions of a field of the nearest segments of a name."""
    chosen = _selector(select)
    own_name = f"{name}{'[*]' if all_segments else ''}-{number}{select}"

    def read(node: Any, _run: Any) -> list[Field]:
        if name not in node.present:
            return []
        place = node if type(node) is Place else node.place
        fields: list[Field] | None = place.memo.get(own_name)
        if fields is None:
            found, fields = place.find(name), []
            place.memo[own_name] = fields
            for segment in found if all_segments else found[:1]:
                if len(segment) > number and segment[number]:
                    fields.extend(chosen(_repetitions(segment[number], place, own_name)))
        return fields

    return read


def _repetitions(text: str, place: Place, origin: str) -> list[Field]:
    marks = place.delimiters
    parts = text.split(marks.repetition) if marks.repetition in text else [text]
    return [Field(part, marks.component, place, origin) for part in parts if part and part != '""']


def _selector(select: str) -> Callable[[list[Field]], list[Field]]:
    if select == "[*]":
        return lambda fields: fields
    if not select:
        return lambda fields: fields[:1]
    if found := _FILTER.fullmatch(select):
        part = relative_value(int(found.group(1)), int(found.group(2) or 0))
        wanted = frozenset(found.group(3).split("|"))
        return lambda fields: [field for field in fields if part(field, None) in wanted]
    index = int(select[1:-1])
    return lambda fields: fields[index - 1 : index]

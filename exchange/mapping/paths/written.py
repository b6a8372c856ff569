"""Paths of HL7 v2 as Python source: a field is taken once in a function, and an empty one costs no call."""

from __future__ import annotations

from typing import Any

from exchange.formats import hl7v2
from exchange.mapping.paths.fields import clean, first_components, first_part, one_part, part_numbers
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.names import GROUP_NAME, SEGMENT_PATH, split_path
from exchange.mapping.source import TEXT, TRUTH, Write, Writer, called

_NOTHING: hl7v2.Segment = []
_HEADER = 2
"""MSH-1 and MSH-2 are delimiters, which are read by themselves."""


def written_value(path: str, read: Reader) -> Write:
    """The value of a path; `read` gives it too, and does where nothing is to be gained."""
    if path.startswith("."):
        component, subcomponent = (0, 0) if path == "." else part_numbers(path)
        return _text_of_place if component < 0 else _part_of_place(component, subcomponent)
    segment, every, number, select, parts = split_path(path)
    if every or (segment == "MSH" and number <= _HEADER):
        return called(read)
    if select:
        return lambda writer, at: writer.new(
            f"{writer.constant(read)}({at}, run) if {field(writer, at, segment, number)} else None"
        )
    return _part_of_field(segment, number, *part_numbers(parts))


def written_nodes(path: str, read: Reader) -> Write:
    """The places of a path."""
    found = None if path.startswith(".") or GROUP_NAME.fullmatch(path) else SEGMENT_PATH.fullmatch(path)
    if found is None:
        return called(read)
    name, every, number = found.group(1), found.group(2), found.group(3)
    if number is None or every:
        return lambda writer, at: writer.new(
            f"{writer.constant(read)}({at}, run) if {name!r} in {at}.present else ()"
        )
    return lambda writer, at: writer.new(
        f"{writer.constant(read)}({at}, run) if {field(writer, at, name, int(number))} else ()"
    )


def field(writer: Writer, at: str, name: str, number: int) -> str:
    """The variable that holds the raw text of a field of the nearest segment of a name; `` for none."""

    def write() -> str:
        segment = nearest(writer, at, name)
        return writer.new(f"{segment}[{number}] if len({segment}) > {number} else ''", TEXT)

    return writer.once(("field", at, name, number), write)


def nearest(writer: Writer, at: str, name: str) -> str:
    """The variable that holds the nearest segment of a name, an empty one for none."""
    return writer.of(at, f"{{}}.first.get({name!r}, {writer.constant(_NOTHING)})")


def is_standard(writer: Writer, at: str) -> str:
    """The variable that says whether the delimiters are the usual ones."""
    return writer.of(at, f"{_marks(writer, at)} is {writer.constant(hl7v2.STANDARD)}", TRUTH)


def texts_of(place: Any, name: str) -> tuple[tuple[str, ...], ...]:
    """The raw fields of the nearest segments of a name."""
    return tuple(map(tuple, place.find(name)))


def _marks(writer: Writer, at: str) -> str:
    return writer.of(at, "{}.delimiters")


def _part_of_field(segment: str, number: int, component: int, subcomponent: int) -> Write:
    whole, part, index = first_part(component, subcomponent), _component(subcomponent), component - 1

    def write(writer: Writer, at: str) -> str:
        raw, quick = field(writer, at, segment, number), subcomponent in (0, 1)
        if component <= 1 and not (component == 1 and writer.knows(("parts", segment, number, at))):
            return _read(writer, at, raw, writer.constant(whole), quick=quick)
        parts = writer.once(("parts", segment, number, at), lambda: _components(writer, at, raw))
        text = writer.new(f"{parts}[{index}] if len({parts}) > {index} else ''", TEXT)
        return _read(writer, at, text, writer.constant(part), quick=quick)

    return _once(write, ("value", segment, number, component or 1, subcomponent or 1))


def _components(writer: Writer, at: str, raw: str) -> str:
    """The raw components of a field's first repetition: split once for all that read one of them."""
    split, marks, usual = writer.constant(first_components), _marks(writer, at), hl7v2.STANDARD
    simple = f"{is_standard(writer, at)} and {usual.repetition!r} not in {raw}"
    return writer.new(f"{raw}.split({usual.component!r}) if {simple} else {split}({raw}, {marks})")


def _part_of_place(component: int, subcomponent: int) -> Write:
    index, part = max(component - 1, 0), _component(subcomponent)

    def write(writer: Writer, at: str) -> str:
        parts = writer.of(at, "{}.parts")
        raw = writer.once(
            ("part", at, index),
            lambda: writer.new(f"{parts}[{index}] if len({parts}) > {index} else ''", TEXT),
        )
        return _read(writer, at, raw, writer.constant(part), quick=subcomponent in (0, 1))

    return _once(write, ("value", component or 1, subcomponent or 1))


def _text_of_place(writer: Writer, at: str) -> str:
    return writer.new(f"{writer.constant(clean)}({at}.text, {_marks(writer, at)})", TEXT)


def _read(writer: Writer, at: str, raw: str, part: str, *, quick: bool) -> str:
    """The value of a raw text: letters and digits alone hold no delimiter, escape or space."""
    standard = is_standard(writer, at)
    whole = f"{raw} if {standard} and {raw}.isalnum() else " if quick else ""
    return writer.new(f"None if not {raw} else {whole}{part}({raw}, {_marks(writer, at)})", TEXT)


def _once(write: Write, key: tuple[object, ...]) -> Write:
    return lambda writer, at: writer.once((*key, at), lambda: write(writer, at))


def _component(subcomponent: int) -> Any:
    """A function of a component's raw text and the delimiters."""
    wanted = max(subcomponent - 1, 0)
    return lambda text, marks: one_part(text, wanted, subcomponent, marks)

"""What a message leaves empty still holds: an empty field of HL7 v2 says nothing, `""` deletes.

A map names the segments that restate what is known under a key (`carried`). From each message is taken what
it states of them; what it leaves empty is filled in from the messages sent before it.
HL7 v2.5.1 chapter 2.5.3, http://www.hl7.eu/HL7v2x/v251/std251/ch02.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exchange.formats import hl7v2
from exchange.mapping.compile_elements import compile_condition
from exchange.mapping.compile_expression import compile_expression, parse_expression
from exchange.mapping.content import Node
from exchange.mapping.entries import holds
from exchange.mapping.language import Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.places import SEGMENTS, Place
from exchange.mapping.run import Run
from exchange.mapping.source import Write, reader

FIELDS = ("key", "segments", "whole", "when", "cleared")
Fields = Mapping[str, str]
"""Raw text by field, and by segment what is sent whole: `{"PID-13": "^PRN^PH", "NK1": "NK1|1|…"}`."""
NOTHING = '""'


@dataclass(frozen=True, slots=True)
class Carried:
    """Segments that restate what is known under a key, in messages where `when` holds.

    Segments that are `whole` are a list: all of it is sent, or nothing is said of it. `cleared` are fields
    that a kind of message deletes without saying so (A13 takes the discharge back).
    """

    name: str
    key: Reader
    segments: tuple[str, ...]
    whole: tuple[str, ...]
    when: Reader | None
    clears: Reader | None
    cleared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What one message states of one thing; `subject` names it within the feed."""

    subject: str
    segments: tuple[str, ...]
    fields: Fields


def carried(node: Node, language: Language) -> tuple[Carried, ...]:
    """The rules of a map, by name; ContentError for one that could not work."""
    if language.format != "hl7v2":
        raise node.fail("only an hl7v2 map can have this", "carried")
    return tuple(_rule(name, item, language) for name, item in node.table("carried").items())


def _rule(name: str, node: Node, language: Language) -> Carried:
    field = f"carried.{name}"
    table = node.table(field, FIELDS)
    for part in ("key", "segments"):
        if part not in table:
            raise node.fail(f"what is carried over needs `{part}`", f"{field}.{part}")
    spot = Spot(table["key"], f"{field}.key", place=SEGMENTS)
    segments = tuple(item.text(f"{field}.segments") for item in table["segments"].items())
    whole = tuple(item.text(f"{field}.whole") for item in table["whole"].items()) if "whole" in table else ()
    for segment in (*segments, *whole):
        _checked(f"{segment}-1", table["segments"], field, language)
    clears, cleared = (
        _cleared(table["cleared"], field, segments, language) if "cleared" in table else (None, ())
    )
    return Carried(
        name,
        reader(compile_expression(parse_expression(language, spot), language, spot, _no_fragment), field),
        segments,
        whole,
        compile_condition(table["when"], language, Spot(table["when"], field, place=SEGMENTS))
        if "when" in table
        else None,
        clears,
        cleared,
    )


def _cleared(
    node: Node, field: str, segments: tuple[str, ...], language: Language
) -> tuple[Reader, tuple[str, ...]]:
    table = node.table(f"{field}.cleared", ("when", "fields"))
    if set(table) != {"when", "fields"}:
        raise node.fail("what a message clears needs `when` and `fields`", f"{field}.cleared")
    fields = tuple(item.text(f"{field}.cleared") for item in table["fields"].items())
    for name in fields:
        _checked(name, table["fields"], field, language)
        if name.partition("-")[0] not in segments or not name.partition("-")[2].isdecimal():
            raise table["fields"].fail(
                f"`{name}` is no field of a segment carried over: `PV1-45`", f"{field}.cleared", segments
            )
    return compile_condition(table["when"], language, Spot(node, field, place=SEGMENTS)), fields


def _checked(path: str, node: Node, field: str, language: Language) -> None:
    try:
        language.grammar.below(path, SEGMENTS)
    except ValueError as error:
        raise node.fail(str(error), field) from None


def _no_fragment(_language: Language, _path: object, spot: Spot) -> Write:
    raise spot.node.fail("a key is text, not an object", spot.element)


def statements(rules: Iterable[Carried], message: Place, run: Run) -> list[Statement]:
    """What a message states; nothing of one that speaks of several people at once."""
    if len(message.index.get("PID", ())) != 1:
        return []
    found = []
    for rule in rules:
        key = rule.key(message, run) if rule.when is None or holds(rule.when, message, run) else None
        if key is not None:
            marks = message.delimiters
            # Texts of senders with other delimiters mean something else, so they meet their own only.
            own = "".join((marks.field, marks.component, marks.repetition, marks.escape, marks.subcomponent))
            subject = f"{rule.name}|{own}|{key}"
            found.append(Statement(subject, rule.segments, _stated(rule, message, run)))
    return found


def _stated(rule: Carried, message: Place, run: Run) -> Fields:
    stated = {
        f"{name}-{number}": segment[number]
        for name in rule.segments
        for segment in message.index.get(name, ())[:1]
        for number in range(1, len(segment))
        if segment[number].strip()
    }
    field = message.delimiters.field
    for name in rule.whole:
        if there := message.index.get(name):
            stated[name] = "\r".join(field.join(segment) for segment in there)
    if holds(rule.clears, message, run):
        stated |= dict.fromkeys(rule.cleared, NOTHING)
    return stated


def filled(message: Place, known: Iterable[tuple[tuple[str, ...], Fields]]) -> Place:
    """The message with what is known in the fields it leaves empty.

    `known` are segments in order and what is known of them; a missing one comes after those before it.
    """
    segments = list(message.segments)
    for order, fields in known:
        for name, text in fields.items():
            if "-" not in name and name not in message.index:
                segments += [line.split(message.delimiters.field) for line in text.split("\r")]
        for name in order:
            _fill(segments, name, order, fields)
    return Place(message.name, segments, None, message.delimiters)


def _fill(segments: list[hl7v2.Segment], name: str, order: tuple[str, ...], known: Fields) -> None:
    """Puts the first segment of the name, with what is known of it, in the place of the one that is there."""
    begin = f"{name}-"
    fields = {int(field[len(begin) :]): text for field, text in known.items() if field.startswith(begin)}
    if not fields:
        return
    at = next((i for i, segment in enumerate(segments) if segment[0] == name), None)
    if at is None:
        at = 1 + max((i for i, segment in enumerate(segments) if segment[0] in order), default=0)
        segments.insert(at, [name])
    segment = segments[at] + [""] * (max(fields) + 1 - len(segments[at]))
    for number, text in fields.items():
        segment[number] = segment[number] if segment[number].strip() else text
    segments[at] = segment

"""Parts of an HL7 v2 map that are made once for each text that they read.

The same text means something else to other delimiters, so only the usual ones count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from exchange.mapping.paths.contents import Reads
from exchange.mapping.paths.names import SEGMENT_PATH
from exchange.mapping.paths.written import field, is_standard, nearest, texts_of
from exchange.mapping.shapes import UNKNOWN, Remembered
from exchange.mapping.source import Write, Writer, assembled

FEW = 6
"""Texts at most that are compared to spare the reading of one element."""


def is_whole_field(path: str) -> bool:
    """Whether a path gives all or some repetitions of one field."""
    found = SEGMENT_PATH.fullmatch(path)
    return found is not None and not found.group(2) and found.group(3) is not None and not found.group(5)


def remembered_place(write: Write, label: str) -> Write:
    """What is made of a repetition or component, once for each text."""
    return _remembered(write, label, _text)


def _text(writer: Writer, at: str) -> Content:
    return Content(f"{at}.text", is_standard(writer, at))


def remembered_field(write: Write, path: str, label: str) -> Write:
    """What is made of all repetitions that a path gives, once for each text of the whole field."""
    name, number = path.partition("-")[0], int(path.partition("-")[2].partition("[")[0])

    def content(writer: Writer, at: str) -> Content:
        return Content(field(writer, at, name, number), is_standard(writer, at))

    remembered = _remembered(write, label, content)

    def where_there_is_text(writer: Writer, at: str) -> str:
        text, out = field(writer, at, name, number), writer.new("None")
        with writer.block(f"if {text}"):
            writer.line(f"{out} = {remembered(writer, at)}")
        return out

    return where_there_is_text


def remembered_reads(
    write: Write, reads: Reads, references: list[Write], label: str, *, in_field: bool
) -> Write:
    """What is made from what is read, once for all the same texts and references to the same."""

    def content(writer: Writer, at: str) -> Content:
        known = is_standard(writer, at)
        for name in sorted(reads.absent):
            known += f" and {name!r} not in {at}.present"
        if not (in_field or references) and reads.count() <= FEW:
            fields = [field(writer, at, name, number) for name, number in _single(reads)]
            there = fields + [f"{name!r} in {at}.present" for name in sorted(reads.whole | reads.absent)]
            return Content(_tuple([*fields, *_whole(writer, at, reads)]), known, " or ".join(there))
        texts = [f"{at}.text"] if in_field else []
        texts += [*_fields(writer, at, reads), *_whole(writer, at, reads)]
        texts += [f"{writer.constant(_targets)}({reference(writer, at)})" for reference in references]
        return Content(_tuple(texts), known)

    return _remembered(write, label, content)


class Content(NamedTuple):
    """Expressions: all that is read, the condition that it tells all, and whether there is anything."""

    texts: str
    known: str
    there: str = ""


def _remembered(write: Write, label: str, content: Callable[[Writer, str], Content]) -> Write:
    """What is made once for each content."""

    def remembered(writer: Writer, at: str) -> str:
        known = Remembered(assembled(write, label))
        told, name, unknown = content(writer, at), writer.constant(known), writer.constant(UNKNOWN)
        out = writer.new(f"{unknown} if {told.there} else {name}.nothing" if told.there else "None")
        with ExitStack() as blocks:
            if told.there:
                blocks.enter_context(writer.block(f"if {out} is {unknown}"))
            with writer.block(f"if {name}.worth and {told.known}"):
                found = writer.new(told.texts)
                writer.line(f"{out} = {writer.constant(known.get)}({found}, {unknown})")
                with writer.block(f"if {out} is {unknown}"):
                    writer.line(f"{out} = {name}.read({at}, run, {found})")
                with writer.block("else"):
                    writer.line(f"{name}.spared += 1")
            with writer.block("else"):
                writer.line(f"{out} = {writer.constant(known.build)}({at}, run)")
        return out

    return remembered


def _tuple(texts: Iterable[str]) -> str:
    return f"({', '.join(texts)},)"


def _single(reads: Reads) -> list[tuple[str, int]]:
    return [
        (name, number)
        for name, numbers in sorted(reads.fields.items())
        for number in sorted(numbers)
        if name not in reads.whole
    ]


def _fields(writer: Writer, at: str, reads: Reads) -> list[str]:
    """The fields read, or the segment where they are many: the rest of it is mostly the same with them."""
    many = [name for name, numbers in sorted(reads.fields.items()) if len(numbers) > FEW and name != "MSH"]
    segments = [nearest(writer, at, name) for name in many if name not in reads.whole]
    few = [field(writer, at, name, number) for name, number in _single(reads) if name not in many]
    return [f"tuple({segment})" for segment in segments] + few


def _whole(writer: Writer, at: str, reads: Reads) -> list[str]:
    whole = writer.constant(texts_of)
    return [f"{whole}({at}, {name!r}) if {name!r} in {at}.present else ()" for name in sorted(reads.whole)]


def _targets(found: list[dict[str, str]] | None) -> tuple[str, ...]:
    return tuple(item["reference"] for item in found or ())

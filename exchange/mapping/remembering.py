"""Parts of an HL7 v2 map that are made once for each text that they read.

The same text means something else to other delimiters, so only the usual ones count.
"""

from __future__ import annotations

from collections.abc import Callable

from exchange.mapping.paths.contents import Reads
from exchange.mapping.paths.names import SEGMENT_PATH
from exchange.mapping.paths.written import field, is_standard, texts_of
from exchange.mapping.shapes import UNKNOWN, Remembered
from exchange.mapping.source import Write, Writer, assembled


def is_whole_field(path: str) -> bool:
    """Whether a path gives all or some repetitions of one field."""
    found = SEGMENT_PATH.fullmatch(path)
    return found is not None and not found.group(2) and found.group(3) is not None and not found.group(5)


def remembered_place(write: Write, label: str) -> Write:
    """What is made of a repetition or component, once for each text."""
    return _remembered(write, label, lambda writer, at: (f"{at}.text", is_standard(writer, at)))


def remembered_field(write: Write, path: str, label: str) -> Write:
    """What is made of all repetitions that a path gives, once for each text of the whole field."""
    name, number = path.partition("-")[0], int(path.partition("-")[2].partition("[")[0])
    remembered = _remembered(
        write, label, lambda writer, at: (field(writer, at, name, number), is_standard(writer, at))
    )

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

    def content(writer: Writer, at: str) -> tuple[str, str]:
        texts = [f"{at}.text"] if in_field else []
        texts += _contents(writer, at, reads)
        texts += [f"{writer.constant(_targets)}({reference(writer, at)})" for reference in references]
        known = is_standard(writer, at)
        for name in sorted(reads.absent):
            known += f" and {name!r} not in {at}.present"
        return f"({', '.join(texts)},)", known

    return _remembered(write, label, content)


def _remembered(write: Write, label: str, content: Callable[[Writer, str], tuple[str, str]]) -> Write:
    """What is made once for each `content`: an expression, and the condition that it tells all."""

    def remembered(writer: Writer, at: str) -> str:
        known = Remembered(assembled(write, label))
        out = writer.new("None")
        name, unknown = writer.constant(known), writer.constant(UNKNOWN)
        with writer.block(f"if {name}.worth"):
            texts, condition = content(writer, at)
            found = writer.new(f"{texts} if {condition} else None")
            writer.line(f"{out} = {writer.constant(known.get)}({found}, {unknown})")
            with writer.block(f"if {out} is {unknown}"):
                writer.line(f"{out} = {name}.read({at}, run, {found})")
            with writer.block("else"):
                writer.line(f"{name}.spared += 1")
        with writer.block("else"):
            writer.line(f"{out} = {writer.constant(known.build)}({at}, run)")
        return out

    return remembered


def _contents(writer: Writer, at: str, reads: Reads) -> list[str]:
    texts = [
        field(writer, at, name, number)
        for name, numbers in sorted(reads.fields.items())
        for number in sorted(numbers)
        if name not in reads.whole
    ]
    whole = writer.constant(texts_of)
    return texts + [
        f"{whole}({at}, {name!r}) if {name!r} in {at}.present else ()" for name in sorted(reads.whole)
    ]


def _targets(found: list[dict[str, str]] | None) -> tuple[str, ...]:
    return tuple(item["reference"] for item in found or ())

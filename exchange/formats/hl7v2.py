"""HL7 v2 in its vertical-bar encoding: split into segments and raw fields, the rest only when asked for.

http://www.hl7.eu/HL7v2x/v251/std251/ch02.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from exchange.formats.hl7v2_charset import decoded
from exchange.formats.hl7v2_escapes import STANDARD, Delimiters, unescape
from exchange.model.errors import RecordRejected

__all__ = [
    "STANDARD", "Delimiters", "Message", "Segment", "header_reader", "parse", "timestamp", "unescape",
]  # fmt: skip

Segment = list[str]
"""`segment[0]` is the name and `segment[n]` the raw text of field n (MSH-1 is the field separator itself)."""

_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}").fullmatch
_LINE_BREAKS = re.compile(r"\r\n?|\n")
_UNUSED = ("\x00", "\x01", "\x02", "\x03")  # stand for encoding characters a message does not declare
_TIMESTAMP = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.\d+)?([+-]\d{4})?")


_MOST = 100_000
"""Segments of a message and repetitions of a field: each takes a few hundred bytes of memory, a byte sent."""


@dataclass(frozen=True, slots=True)
class Message:
    """Segments in the order sent."""

    segments: tuple[Segment, ...]
    delimiters: Delimiters


def parse(payload: bytes) -> Message:
    """One message; raises RecordRejected when there is no usable MSH.

    >>> parse(b"MSH|^~\\\\&|LAB\\rPID|1||7").segments[1]
    ['PID', '1', '', '7']
    """
    text = decoded(payload)
    delimiters = _delimiters(text)
    separator = delimiters.field
    segments: list[Segment] = []
    more: list[str] = []
    lines = _LINE_BREAKS.split(text) if "\n" in text else text.split("\r")
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        segment = line.lstrip().split(separator)
        if not _SEGMENT_NAME(segment[0]):
            # A line break inside a field (common in TX and FT values) continues the last field.
            if not segments:
                problem = "text before the first segment"
                raise RecordRejected(problem, code="structure", position=f"line {number}")
            more.append(line)
            continue
        if more:
            _continue_last(segments, more)
        if segment[0] == "MSH":
            segment.insert(1, separator)
        segments.append(segment)
    if more:
        _continue_last(segments, more)
    if len(segments) > _MOST:
        raise RecordRejected(f"the message holds more than {_MOST:,} segments", code="too-costly")
    if text.count(delimiters.repetition) > _MOST:
        _refuse_repetitions(segments, delimiters.repetition)
    return Message(tuple(segments), delimiters)


def _continue_last(segments: list[Segment], more: list[str]) -> None:
    # All at once: line by line, each would copy what the field holds already.
    segments[-1][-1] = "\n".join([segments[-1][-1], *more])
    more.clear()


def _refuse_repetitions(segments: list[Segment], mark: str) -> None:
    for ordinal, segment in enumerate(segments, start=1):
        for number, field in enumerate(segment):
            if field.count(mark) >= _MOST:
                raise RecordRejected(
                    f"the field holds more than {_MOST:,} repetitions",
                    code="too-costly",
                    expression=f"{segment[0]}-{number}",
                    position=f"segment {ordinal}",
                )


def _delimiters(text: str) -> Delimiters:
    if not text.startswith("MSH") or len(text) < 8:
        raise RecordRejected("a message starts with an MSH segment", code="structure", position="line 1")
    if text.startswith("MSH|^~\\&|"):
        return STANDARD
    field = text[3]
    marks = text[4 : text.find(field, 4)] if field in text[4:12] else text[4:8]
    if len(marks) < 2 or len(set(marks + field)) != len(marks) + 1:
        raise RecordRejected(
            "MSH-2 must list different encoding characters", code="structure", expression="MSH-2"
        )
    return Delimiters(field, *marks[:4], *_UNUSED[len(marks[:4]) :])


def timestamp(text: str, zone: tzinfo = UTC) -> datetime | None:
    """A TS/DTM value as an instant, the earliest it can mean; None when it is none.

    >>> timestamp("202401020304-0600").isoformat()
    '2024-01-02T03:04:00-06:00'
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, offset = match.groups()
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=_offset(offset) if offset else zone,
        )
    except ValueError:
        return None


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def header_reader(message: Message) -> Callable[[int], str]:
    """MSH fields by number as plain text; `` when absent."""
    header = message.segments[0]
    return lambda number: header[number].strip() if len(header) > number else ""

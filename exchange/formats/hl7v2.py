"""HL7 v2 in its vertical-bar encoding: split into segments and raw fields, the rest only when asked for.

http://www.hl7.eu/HL7v2x/v251/std251/ch02.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise

from exchange.model.errors import RecordRejected

Segment = list[str]
"""`segment[0]` is the name and `segment[n]` the raw text of field n (MSH-1 is the field separator itself)."""

# Table 0211, https://terminology.hl7.org/CodeSystem-v2-0211.html; what is not here is read as UTF-8.
_CHARSETS = {
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
    **{f"8859/{part}": f"iso8859-{part}" for part in range(1, 16) if part != 12},
    "WINDOWS-1252": "cp1252",
}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}").fullmatch
_LINE_BREAKS = re.compile(r"\r\n?|\n")
_UNUSED = ("\x00", "\x01", "\x02", "\x03")  # stand for encoding characters a message does not declare
_HEADER_AT_LINE_START = re.compile(
    rb"(?:^(?:\xef\xbb\xbf)?|[\r\n])[ \t\x0b\x1c]*(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\r\n])"
)
_TIMESTAMP = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.\d+)?([+-]\d{4})?")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2 of the message itself."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


STANDARD = Delimiters()
"""What nearly every message uses."""


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
    text = decode(payload)
    delimiters = _delimiters(text)
    separator = delimiters.field
    segments: list[Segment] = []
    lines = _LINE_BREAKS.split(text) if "\n" in text else text.split("\r")
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        segment = line.lstrip().split(separator)
        if not _SEGMENT_NAME(segment[0]):
            _continue_line(segments, line, number)
            continue
        if segment[0] == "MSH":
            segment.insert(1, separator)
        segments.append(segment)
    return Message(tuple(segments), delimiters)


def _continue_line(segments: list[Segment], line: str, number: int) -> None:
    """A line break inside a field (common in TX and FT values) continues the last field."""
    if not segments:
        raise RecordRejected("text before the first segment", code="structure", position=f"line {number}")
    last = segments[-1]
    last[-1] = f"{last[-1]}\n{line}"


def decode(payload: bytes) -> str:
    """Text in the character set MSH-18 declares; raises RecordRejected when it does not hold.

    >>> decode("MSH|^~\\\\&||||||||||||||||8859/1\\rPID|||||Nuñez".encode("latin-1"))[-5:]
    'Nuñez'
    """
    if payload[:2] in _UTF16_MARKS:
        return payload.decode("utf-16", errors="replace").strip("\x0b\x1c \t\r\n")
    body = payload.removeprefix(b"\xef\xbb\xbf").strip(b"\x0b\x1c \t\r\n")
    name = _declared_charset(body)
    encoding = _CHARSETS.get(name.upper(), "utf-8") if name else "utf-8"
    try:
        return body.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise RecordRejected(
            f"the bytes are not {encoding}; MSH-18 must name the character set used",
            code="structure",
            expression="MSH-18",
        ) from None


def _declared_charset(body: bytes) -> str:
    header = body[:4096].split(b"\r", 1)[0].split(b"\n", 1)[0].split(body[3:4] or b"|", 18)
    return header[17].split(b"~")[0].decode("ascii", "replace").strip() if len(header) > 17 else ""


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


def unescape(text: str, delimiters: Delimiters) -> str:
    r"""Escape sequences as the characters they stand for; formatting as line breaks or nothing.

    >>> unescape(r"Smith \T\ Jones\.br\Ltd", Delimiters())
    'Smith & Jones\nLtd'
    >>> unescape(r"a lone \ stays", Delimiters())
    'a lone \\ stays'
    """
    mark = delimiters.escape
    parts = text.split(mark)
    if len(parts) < 3:
        return text
    named = _named_escapes(delimiters)
    out, index = [parts[0]], 1
    while index < len(parts):
        replacement = _escape(parts[index], named) if index + 1 < len(parts) else None
        if replacement is None:
            out.append(mark + parts[index])
            index += 1
        else:
            out.extend((replacement, parts[index + 1]))
            index += 2
    return "".join(out)


def _named_escapes(delimiters: Delimiters) -> dict[str, str]:
    return {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
        ".br": "\n",
        ".sp": "\n",
        ".ce": "\n",
    }


def _escape(code: str, named: dict[str, str]) -> str | None:
    if code in named:
        return named[code]
    if code.startswith("X") and len(code) > 1 and len(code) % 2 == 1:
        try:
            return bytes.fromhex(code[1:]).decode("utf-8", "replace")
        except ValueError:
            return None
    if re.fullmatch(r"\.(sp|in|ti|sk)[+-]?\d*|\.(fi|nf)", code):
        return "\n" if code.startswith(".sp") else ""
    return None


def messages(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Messages of a file with or without FHS/BHS envelopes, each with its ordinal from 1.

    >>> [m for _, m in messages(b"FHS|^~\\\\&\\rMSH|^~\\\\&|A\\rPID|1\\rMSH|^~\\\\&|B\\rFTS|2\\r")]
    [b'MSH|^~\\\\&|A\\rPID|1', b'MSH|^~\\\\&|B']
    """
    if payload[:2] in _UTF16_MARKS:
        yield 1, payload
        return
    starts = [match.end() for match in _HEADER_AT_LINE_START.finditer(payload)]
    ordinal = 0
    for start, end in pairwise([*starts, len(payload)]):
        if payload[start : start + 3] == b"MSH":
            ordinal += 1
            yield ordinal, payload[start:end].strip(b"\x0b\x1c \t\r\n")


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

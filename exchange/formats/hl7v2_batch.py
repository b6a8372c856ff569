"""Files of HL7 v2 messages, with or without FHS/BHS envelopes and MLLP frames.

http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading35
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from exchange.formats.hl7v2_charset import FRAME, narrowed, wide_encoding

_FRAME = FRAME.encode()
_HEADER_AT_LINE_START = re.compile(
    rb"(?:^(?:\xef\xbb\xbf)?|[\r\n])[ \t\x0b\x1c]*"
    rb"(?=(?:MSH|FHS|BHS)[^A-Za-z0-9\r\n]|[BF]TS(?:[^A-Za-z0-9]|$))"
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A trailer that does not say what the file holds, or one that is missing."""

    segment: bytes
    problem: str
    expression: str


def messages(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Messages of a file, each with its ordinal from 1.

    >>> [m for _, m in messages(b"FHS|^~\\\\&\\rMSH|^~\\\\&|A\\rPID|1\\rMSH|^~\\\\&|B\\rFTS|2\\r")]
    [b'MSH|^~\\\\&|A\\rPID|1', b'MSH|^~\\\\&|B']
    """
    wide = wide_encoding(payload)
    if wide:
        found = [
            piece.decode().encode(wide[:6]) for name, piece in _pieces(narrowed(payload)) if name == b"MSH"
        ]
        yield from enumerate(found or [payload], start=1)
        return
    yield from enumerate((piece for name, piece in _pieces(payload) if name == b"MSH"), start=1)


def _pieces(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, bytes) of each message and each segment of an envelope."""
    starts = [match.end() for match in _HEADER_AT_LINE_START.finditer(payload)]
    for start, end in pairwise([*starts, len(payload)]):
        yield payload[start : start + 3], payload[start:end].strip(_FRAME)


def envelope_faults(payload: bytes) -> Iterator[Envelope]:
    """Where BTS-1 or FTS-1 counts otherwise than the file, and envelopes that are not closed.

    >>> [fault.problem for fault in envelope_faults(b"BHS|^~\\\\&\\rMSH|^~\\\\&|A\\rBTS|2\\r")]
    ['BTS-1 counts 2 messages, the batch holds 1']
    """
    opened: dict[bytes, bytes] = {}
    counted = batches = alone = 0
    for name, piece in _pieces(narrowed(payload)):
        if name == b"MSH":
            counted += 1
            alone += b"BHS" not in opened
        elif name in (b"FHS", b"BHS"):
            opened[name] = piece
            counted = 0 if name == b"BHS" else counted
        elif name == b"BTS":
            opened.pop(b"BHS", None)
            yield from _miscounted(piece, "BTS", counted, "messages, the batch holds")
            counted, batches = 0, batches + 1
        else:
            opened.pop(b"FHS", None)
            if batches == 0:
                yield from _miscounted(piece, "FTS", alone, "messages, the file holds")
            else:
                yield from _miscounted(piece, "FTS", batches, "batches, the file holds")
    for name, piece in opened.items():
        trailer = "BTS" if name == b"BHS" else "FTS"
        words = f"{name.decode()} without {trailer}: the file may be cut off"
        yield Envelope(piece.split(b"\r")[0].split(b"\n")[0], words, trailer)


def _miscounted(piece: bytes, name: str, found: int, words: str) -> Iterator[Envelope]:
    segment = piece.split(b"\r")[0].split(b"\n")[0]
    told = segment[4:].split(segment[3:4] or b"|")[0].decode("ascii", "replace").strip()
    if told.isdecimal() and int(told) != found:
        yield Envelope(segment, f"{name}-1 counts {int(told)} {words} {found}", f"{name}-1")

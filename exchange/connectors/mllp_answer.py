"""Acknowledgements of HL7 v2 messages in original mode (HL7 v2.5.1, 2.9.2): MSH, MSA and, if refused, ERR.

They are built from the bytes of the sender's MSH, in the sender's own delimiters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange.connectors.mllp_frames import END, START, Block

Code = Literal["AA", "AE", "AR"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of HL7 table 0357, and the segment and field it is about (ERR-2)."""

    code: str
    text: str
    location: tuple[str, ...] = ()


NOT_HL7 = Problem("100", "Segment sequence error")
NO_CONTROL_ID = Problem("101", "Required field missing", ("MSH", "1", "10"))
TOO_LONG = Problem("104", "Value too long")
NOT_KEPT = Problem("207", "Application internal error")


@dataclass(frozen=True, slots=True)
class Header:
    """Fields of MSH as bytes, by their number; `fields[1]` is the field separator."""

    fields: tuple[bytes, ...]
    separator: bytes = b"|"
    encoding: bytes = b"^~\\&"

    def field(self, number: int) -> bytes:
        """MSH-`number`, empty when there is none."""
        return self.fields[number - 1] if number <= len(self.fields) else b""


_NOBODY = Header(())


def read_header(content: bytes) -> Header | None:
    """The message's MSH; None when it does not begin with one."""
    segment = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").partition(b"\r")[0].partition(b"\n")[0]
    separator = segment[3:4]
    if segment[:3] != b"MSH" or not separator or separator.isalnum() or separator.isspace():
        return None
    parts = segment.split(separator)
    if len(parts) < 9 or not 2 <= len(parts[1]) <= 5:
        return None
    return Header((separator, *parts[1:]), separator, parts[1])


def problem_of(block: Block, header: Header | None) -> Problem | None:
    """Why the block must be refused at the door; None when it is to be kept."""
    if header is None:
        return NOT_HL7
    if block.is_oversize:
        return TOO_LONG
    if not header.field(10).strip():
        return NO_CONTROL_ID
    return None


def answer(
    header: Header | None, code: Code, problem: Problem | None, control_id: str, at: datetime
) -> bytes:
    """The acknowledgement as an MLLP block."""
    told = header or _NOBODY
    component = told.encoding[:1]
    trigger = told.field(9).split(component)[1:2] if header else []
    kind = component.join([b"ACK", trigger[0], b"ACK"]) if trigger and trigger[0] else b"ACK"
    msh = [
        b"MSH",
        told.encoding,
        *(told.field(number) for number in (5, 6, 3, 4)),
        f"{at:%Y%m%d%H%M%S%z}".encode(),
        b"",
        kind,
        control_id.encode(),
        told.field(11) or b"P",
        told.field(12) or b"2.5.1",
    ]
    segments = [msh, [b"MSA", code.encode(), told.field(10)]]
    if problem:
        coded = component.join([problem.code.encode(), problem.text.encode(), b"HL70357"])
        segments.append([b"ERR", b"", component.join(p.encode() for p in problem.location), coded, b"E"])
    body = b"".join(told.separator.join(segment) + b"\r" for segment in segments)
    return START + body + END + b"\r"

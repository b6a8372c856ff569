"""X12 interchanges cut into transaction sets and segments, with what is wrong with their envelopes.

The only user of pyx12. https://x12.org/codes, https://pyx12.readthedocs.io/
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from pyx12.errors import X12Error
from pyx12.segment import Segment as _Parsed
from pyx12.x12file import X12Reader

from exchange.model.errors import RecordRejected

Elements = dict[str, str]
"""What is filled, by reference designator: `NM103`, `CLM05-1`; components of a composite each by itself."""

_INTERCHANGE = re.compile(r"(?<![A-Za-z0-9])ISA(?P<separator>[^A-Za-z0-9\s])\d\d(?P=separator)")
_NAME = re.compile(r"[A-Z][A-Z0-9]{1,2}")
_COMPOSITES = frozenset(
    [
        *("CLM05", "CLM11", "SV101", "SV107", "SV202", "SV301", "SVC01", "SVC06", "SVD03", "CTP05"),
        *("REF04", "DMG05", "TOO03", *(f"HI{number:02}" for number in range(1, 13))),
    ]
)
"""Elements with components even where only the first is filled."""
_SECRETS = frozenset(["ISA01", "ISA02", "ISA03", "ISA04"])
"""Authorization and security information of the sender: nothing to keep with a claim."""
_ENVELOPE = frozenset(["ISA", "GS", "GE", "IEA", "TA1"])
# The guides know three levels of HL; what is deeper is made to exhaust the reader.
_DEEPEST = 20
_TOO_DEEP = "HL"
_FATAL = {
    "2": "the transaction set has no SE: it was cut off",
    "3": "SE02 is not ST02",
    _TOO_DEEP: "more than 20 levels of HL lie in one another: the guides know three",
}
_MISCOUNTED = "{} does not say {}, the number of {}"
_LEVELS = {"SE": "st", "GE": "gs", "IEA": "isa"}
"""What pyx12 calls the part of the envelope that a segment ends."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment and its number in the document, from 1."""

    name: str
    elements: Elements
    number: int
    text: str


@dataclass(slots=True)
class Transaction:
    """ISA, GS and ST, what follows up to SE, and why nothing of it may be used (`` where it may)."""

    envelope: list[Segment]
    segments: list[Segment] = field(default_factory=list)
    problem: str = ""


def transactions(payload: bytes, encoding: str) -> Iterator[Transaction]:
    """Every transaction set of every interchange; raises RecordRejected when there is no interchange.

    >>> isa = "ISA*00*          *00*          *ZZ*A              *ZZ*B              "
    >>> text = isa + "*260101*0800*^*00501*000000001*0*P*:~GS*HC*A*B*20260101*0800*1*X*005010X222A1~"
    >>> (found,) = transactions((text + "ST*837*1~CLM*7*10~SE*3*1~GE*1*1~IEA*1*000000001~").encode(), "utf-8")
    >>> found.segments[0].elements, found.problem
    ({'CLM01': '7', 'CLM02': '10'}, '')
    """
    text = _text(payload, encoding)
    starts = [match.start() for match in _INTERCHANGE.finditer(text)]
    if not starts or text[: starts[0]].strip("\ufeff \t\r\n"):
        raise RecordRejected(
            "an X12 document starts with an ISA segment", code="structure", position="segment 1"
        )
    number = 0
    for start, end in pairwise([*starts, len(text)]):
        number = yield from _interchange(text[start:end], number)


def _text(payload: bytes, encoding: str) -> str:
    try:
        return payload.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise RecordRejected(
            f"the bytes are not {encoding}; `encoding` of the feed must name the one used", code="structure"
        ) from None


def _interchange(text: str, before: int) -> Generator[Transaction, None, int]:
    """The transaction sets of one interchange, and what of it cannot be read as one of its own.

    `before` segments went before it; gives the number with its own.
    """
    stream = io.StringIO(text, newline="")
    try:
        reader = X12Reader(stream)
    except X12Error:
        detail = "ISA is not one of its fixed 106 characters and of version 00401 or 00501"
        yield _unreadable([], text, before + 1, detail)
        return before
    envelope: list[Segment] = []
    current: Transaction | None = None
    number, broken, codes = before, "here the interchange cannot be read any further", ["2"]
    is_ended = False
    for segment, codes, number in _segments(reader, before):
        miscount = _miscount(segment, codes, reader, current)
        if segment is None:
            broken = _FATAL[_TOO_DEEP] if _TOO_DEEP in codes else broken
            break
        is_ended = segment.name == "IEA"
        if segment.name == "ST":
            if current is not None:
                yield _closed(current, ["2"])
            current = Transaction([*envelope, segment])
        elif current is None and segment.name in _ENVELOPE:
            envelope = _enveloped(envelope, segment)
        elif current is None:
            yield _unreadable(envelope, segment.text, number, "a segment outside of any transaction set")
        elif segment.name == "SE":
            yield _closed(current, codes, segment)
            current = None
        else:
            current.segments.append(segment)
        if miscount:
            yield _unreadable(envelope, segment.text, number, miscount)
    if current is not None:
        yield _closed(current, codes if _TOO_DEEP in codes else ["2"])
    if rest := (reader.raw.buffer + stream.read()).strip():
        yield _unreadable(envelope, rest, number + 1, broken)
    elif not is_ended and current is None:
        # Cut off: what was to come is not known, and must not be missed.
        yield _unreadable(envelope, envelope[0].text if envelope else text, number + 1, broken)
    return number


def _segments(reader: X12Reader, before: int) -> Iterator[tuple[Segment | None, list[str], int]]:
    """Each segment with its transaction set's error codes (X12 element 718); None where it breaks."""
    parsed = iter(reader)
    number = before
    while True:
        number += 1
        try:
            found = next(parsed)
        except StopIteration:
            return
        except (X12Error, IndexError, ValueError, TypeError, AttributeError):
            # What pyx12 says of a broken envelope holds text of the document, so it goes no further.
            yield None, [], number - 1
            return
        if len(reader.hl_stack) > _DEEPEST:
            yield None, [_TOO_DEEP], number
            return
        codes = [code for kind, code, *_ in reader.pop_errors() if kind == _LEVELS.get(found.get_seg_id())]
        yield _segment(found, number), codes, number


def _segment(parsed: _Parsed, number: int) -> Segment:
    name = parsed.get_seg_id() or ""
    elements: Elements = {}
    for index, composite in enumerate(parsed.elements, start=1):
        designator = f"{name}{index:02}"
        parts = [part.value.strip() for part in composite.elements]
        if designator in _SECRETS:
            continue
        if len(parts) == 1 and designator not in _COMPOSITES:
            if parts[0]:
                elements[designator] = parts[0]
        else:
            elements.update({f"{designator}-{n}": part for n, part in enumerate(parts, start=1) if part})
    return Segment(name, elements, number, parsed.format())


def _enveloped(envelope: list[Segment], segment: Segment) -> list[Segment]:
    if segment.name == "ISA":
        return [segment]
    return [*envelope[:1], segment] if segment.name == "GS" else envelope


def _closed(transaction: Transaction, codes: list[str], end: Segment | None = None) -> Transaction:
    """The transaction set as it ends: one that is not whole is not used."""
    if wrong := next((code for code in codes if code in _FATAL), None):
        transaction.problem = _FATAL[wrong]
    elif end is not None and not _is_all_there(transaction, end):
        transaction.problem = _MISCOUNTED.format("SE01", _counted(transaction), "segments")
    return transaction


def _counted(transaction: Transaction) -> int:
    """Segments of the set, ST and SE with them."""
    return len(transaction.segments) + 2


def _is_all_there(transaction: Transaction, end: Segment) -> bool:
    """Whether no fewer segments came than SE01 says; one that says no number may say any."""
    said = end.elements.get("SE01", "")
    return said.isdecimal() and int(said[:10]) <= _counted(transaction)


def _miscount(
    segment: Segment | None, codes: list[str], reader: X12Reader, current: Transaction | None
) -> str:
    """What is wrong with a count of the envelope although nothing has to wait for it."""
    if segment is None:
        return ""
    if segment.name == "SE" and current is not None and "4" in codes and _FATAL.keys().isdisjoint(codes):
        more = _MISCOUNTED.format("SE01", _counted(current), "segments")
        return f"{more}: it says fewer, so nothing is missing" if _is_all_there(current, segment) else ""
    if segment.name == "GE" and "5" in codes:
        return _MISCOUNTED.format("GE01", reader.st_count, "transaction sets")
    if segment.name == "IEA" and "021" in codes:
        return _MISCOUNTED.format("IEA01", reader.gs_count, "functional groups")
    return ""


def _unreadable(envelope: list[Segment], text: str, number: int, detail: str) -> Transaction:
    return Transaction(envelope, [Segment("", {}, number, text)], detail)


def is_name(name: str) -> bool:
    """Whether a segment can be called so."""
    return _NAME.fullmatch(name) is not None

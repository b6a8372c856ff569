"""FHIR dates as the half-open span of instants they stand for.

https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Chicago")
"""Of dates and times without an offset."""

# A day from what Python can hold, so that every time zone can tell them.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)

_FORM = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?\Z")

Span = tuple[datetime, datetime]


@lru_cache(maxsize=50_000)
def span(text: str) -> Span:
    """From the first instant to the one after the last; ValueError when it is no FHIR date.

    >>> span("2024-02")[1].isoformat()
    '2024-03-01T00:00:00-06:00'
    >>> span("9999-12-31")[1].isoformat()  # how many write that something has no end
    '9999-12-30T00:00:00+00:00'
    >>> span("2016-12-31T23:59:60Z") == span("2017-01-01T00:00:00Z")
    True
    """
    low, high = _span(text)
    return within_time(low), within_time(high)


def within_time(instant: datetime, by: timedelta = timedelta()) -> datetime:
    """The instant so much later, or the earliest or latest that there is."""
    try:
        return min(max(instant + by, EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if by < timedelta() else LATEST


def _span(text: str) -> Span:
    match = _FORM.match(text)
    if match is None:
        raise ValueError("not a FHIR date")
    if match[3]:
        return _moment(text, match)
    year, month, day = int(text[:4]), int(text[5:7] or 1), int(text[8:10] or 1)
    start = datetime(year, month, day, tzinfo=ZONE)
    if match[2]:
        return start, within_time(start, timedelta(days=1))
    after = (year + month // 12, month % 12 + 1) if match[1] else (year + 1, 1)
    return start, LATEST if after > (9999, 12) else datetime(*after, 1, tzinfo=ZONE)


def _moment(text: str, match: re.Match[str]) -> Span:
    leap = (match[4] or "").startswith(":60")  # a second that FHIR allows and Python does not know
    start = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
    start = within_time(start, timedelta(seconds=leap))
    start = start if match[6] else start.replace(tzinfo=ZONE)
    long = timedelta(milliseconds=1) if match[5] else timedelta(seconds=1 if match[4] else 60)
    return start, within_time(start, long)


def period(value: Mapping[str, Any]) -> Span:
    """Span of a Period; a side left open is open."""
    start, end = value.get("start"), value.get("end")
    return (span(start)[0] if start else EARLIEST, span(end)[1] if end else LATEST)

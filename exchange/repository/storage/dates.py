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

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)

_FORM = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?\Z")

Span = tuple[datetime, datetime]


@lru_cache(maxsize=50_000)
def span(text: str) -> Span:
    """From the first instant to the one after the last; ValueError when it is no FHIR date.

    >>> span("2024-02")[1].isoformat()
    '2024-03-01T00:00:00-06:00'
    """
    match = _FORM.match(text)
    if match is None:
        raise ValueError("not a FHIR date")
    if match[3]:
        return _moment(text, match)
    year, month, day = int(text[:4]), int(text[5:7] or 1), int(text[8:10] or 1)
    start = datetime(year, month, day, tzinfo=ZONE)
    if match[2]:
        end = start + timedelta(days=1)
    elif match[1]:
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZONE)
    else:
        end = datetime(year + 1, 1, 1, tzinfo=ZONE)
    return start, end


def _moment(text: str, match: re.Match[str]) -> Span:
    start = datetime.fromisoformat(text)
    start = start if match[6] else start.replace(tzinfo=ZONE)
    if match[5]:
        return start, start + timedelta(milliseconds=1)
    return start, start + timedelta(seconds=1 if match[4] else 60)


def period(value: Mapping[str, Any]) -> Span:
    """Span of a Period; a side left open is open."""
    start, end = value.get("start"), value.get("end")
    return (span(start)[0] if start else EARLIEST, span(end)[1] if end else LATEST)

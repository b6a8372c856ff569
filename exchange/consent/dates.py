"""FHIR dates as half-open spans of time in the exchange's own zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from exchange.model.errors import RecordRejected

EXCHANGE_ZONE = ZoneInfo("America/Chicago")

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(.+))?)?)?\Z")
_SECONDS = re.compile(r"T\d\d:\d\d:\d\d(?:[.,](\d+))?")
_FOR_EVER = "9999"
"""The year that systems write where they mean that there is no end; what ends in it ends never."""


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open: `start` belongs to it, `end` does not; None is open on that side."""

    start: datetime | None = None
    end: datetime | None = None

    def contains(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)

    def within(self, other: Span) -> bool:
        """Wholly inside `other`; an open side fits only into an open side."""
        after = other.start is None or (self.start is not None and self.start >= other.start)
        before = other.end is None or (self.end is not None and self.end <= other.end)
        return after and before

    def overlaps(self, other: Span) -> bool:
        starts_in_time = other.end is None or self.start is None or self.start < other.end
        ends_late_enough = other.start is None or self.end is None or self.end > other.start
        return starts_in_time and ends_late_enough


def read_date(text: object, zone: tzinfo, expression: str) -> Span:
    """The span a FHIR date, dateTime or instant stands for: 2026-03 is the whole of March in `zone`.

    It is as long as its last digit: a time without a fraction is the whole second. The year 9999 has no end.
    Raises RecordRejected for anything that is no date. https://hl7.org/fhir/R4/datatypes.html#dateTime
    """
    found = _DATE.match(text) if isinstance(text, str) else None
    if found is None:
        raise RecordRejected("not a FHIR date or dateTime", expression=expression)
    year, month, day, time = found.groups()
    try:
        if year == _FOR_EVER:
            return Span(datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC))
        if time is not None:
            return _moment(str(text), zone)
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=zone)
        return Span(start.astimezone(UTC), _next(start, month, day).astimezone(UTC))
    except ValueError as error:
        raise RecordRejected("not a date of the calendar", expression=expression) from error
    except OverflowError as error:
        raise RecordRejected("a date outside the calendar", expression=expression) from error


def _moment(text: str, zone: tzinfo) -> Span:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    instant = aware.astimezone(UTC)
    return Span(instant, instant + _precision(text))


def _precision(text: str) -> timedelta:
    found = _SECONDS.search(text)
    if found is None:
        return timedelta(minutes=1)
    return max(timedelta(seconds=10.0 ** -len(found[1] or "")), timedelta(microseconds=1))


def _next(start: datetime, month: str | None, day: str | None) -> datetime:
    if day:
        return start + timedelta(days=1)  # of the calendar here, whatever the clocks do
    if month:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)


def read_period(period: object, zone: tzinfo, expression: str) -> Span:
    """A FHIR Period as a span; its end is inclusive to the precision written. Raises RecordRejected."""
    if not isinstance(period, dict) or not (period.get("start") or period.get("end")):
        raise RecordRejected("a Period needs a start or an end", expression=expression)
    start = read_date(period["start"], zone, f"{expression}.start").start if period.get("start") else None
    end = read_date(period["end"], zone, f"{expression}.end").end if period.get("end") else None
    if start and end and end <= start:
        raise RecordRejected("the Period ends before it begins", expression=expression)
    return Span(start, end)

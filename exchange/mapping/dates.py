"""Dates and times of every source as FHIR's: `date`, `datetime`, `instant`, `time`, `later` and days on.

https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from datetime import date as _date
from datetime import datetime as _datetime
from functools import lru_cache

_TIME = re.compile(
    r"(\d{4})(?:-?(\d{2})(?:-?(\d{2})(?:[T ]?(\d{2})"  # year, month, day, hour
    r"(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?)?)?)?"  # minute, second, fraction
    r"\s*(Z|[+-]\d{1,2}:?\d{2})?"  # zone
)
_Parts = Sequence[str | None]
_LETTERS = re.compile(r"[^\W\d_]+")
_SPANISH = {
    "enero": "january", "febrero": "february", "marzo": "march", "abril": "april", "mayo": "may",
    "junio": "june", "julio": "july", "agosto": "august", "septiembre": "september", "setiembre": "september",
    "octubre": "october", "noviembre": "november", "diciembre": "december", "ene": "jan",
    "abr": "apr", "ago": "aug", "sept": "sep", "set": "sep", "dic": "dec",
}  # fmt: skip
"""Months of partners that write Spanish; the other short forms are those of English."""


def date(text: str, *formats: str) -> str:
    """A FHIR date as exact as the source: HL7 v2, CDA and ISO forms, or strptime formats.

    >>> date("19710412"), date("197104"), date("04/12/1971", "%m/%d/%Y"), date("20261103142000-0600")
    ('1971-04-12', '1971-04', '1971-04-12', '2026-11-03')
    >>> date("12-Abr-1971", "%d-%b-%Y"), date("12 de abril de 1971", "%d de %B de %Y")
    ('1971-04-12', '1971-04-12')
    """
    if formats:
        return _read(text, formats).strftime("%Y-%m-%d")
    return _date_part(_time_parts(text))


def days_after(text: str, days: str) -> str | None:
    """The day so many days after a date; None for what is no whole date.

    >>> days_after("2026-01-15T09:00:00Z", "180"), days_after("2026", "180") is None
    ('2026-07-14', True)
    """
    day = _date_part(_time_parts(text))
    return (_datetime.fromisoformat(day) + timedelta(int(days))).date().isoformat() if len(day) > 7 else None


def excel_date(text: str) -> str:
    """The day of a date that a spreadsheet saved as a number.

    >>> excel_date("26035"), excel_date("46024.5")
    ('1971-04-12', '2026-01-02')
    """
    days = int(float(text))
    if not 1 <= days <= 100_000:
        raise ValueError("not a day as a spreadsheet counts it")
    return (_date(1899, 12, 30) + timedelta(days)).isoformat()


def datetime(text: str, *formats: str, zone: tzinfo) -> str:
    """A FHIR dateTime as exact as the source; a time without zone is in the partner's.

    >>> from zoneinfo import ZoneInfo
    >>> datetime("20261103142000", zone=ZoneInfo("America/Chicago"))
    '2026-11-03T14:20:00-06:00'
    >>> datetime("2026", zone=ZoneInfo("America/Chicago"))
    '2026'
    >>> datetime("202611031420-600", zone=ZoneInfo("America/Chicago"))
    '2026-11-03T14:20:00-06:00'
    """
    if formats:
        moment = _read(text, formats)
        exact = any("%H" in pattern or "%I" in pattern for pattern in formats)
        return moment.replace(tzinfo=zone).isoformat() if exact else moment.strftime("%Y-%m-%d")
    quick = _written_out(text, zone)
    if quick is not None:
        return quick
    parts = _time_parts(text)
    return _moment(parts, zone) if parts[3] else _date_part(parts)


def instant(text: str, *formats: str, zone: tzinfo) -> str:
    """A FHIR instant; what the source leaves out is the earliest it can mean.

    >>> from zoneinfo import ZoneInfo
    >>> instant("20261103", zone=ZoneInfo("America/Chicago"))
    '2026-11-03T00:00:00-06:00'
    """
    if formats:
        return _read(text, formats).replace(tzinfo=zone).isoformat()
    return _written_out(text, zone) or _moment(_time_parts(text), zone)


def time(text: str) -> str:
    """A FHIR time.

    >>> time("0930"), time("17:00")
    ('09:30:00', '17:00:00')
    """
    found = re.fullmatch(r"(\d{2}):?(\d{2})(?::?(\d{2}))?(?:\.\d+)?", text.strip())
    if not found or found.group(1) > "23" or found.group(2) > "59":
        raise ValueError("not a time of day")
    return f"{found.group(1)}:{found.group(2)}:{found.group(3) or '00'}"


def later(moment: str, amount: str, unit: str) -> str:
    """A FHIR instant that long after another; units are those of HL7 v2 (s, min, hr, d) and their words.

    >>> later("2026-11-03T14:20:00-06:00", "90", "MIN"), later("2026-11-03T14:20:00-06:00", "2", "hours")
    ('2026-11-03T15:50:00-06:00', '2026-11-03T16:20:00-06:00')
    """
    seconds = _SECONDS.get(unit.strip().lower()[:1])
    if seconds is None:
        raise ValueError("not a unit of time")
    return (_datetime.fromisoformat(moment) + timedelta(seconds=float(amount) * seconds)).isoformat()


def until(end: str | None, start: str | None) -> str | None:
    """The end of a FHIR Period; what lies before its start cannot be one.

    >>> until("2024-02", "2024-02-10"), until("2024-03-01", None)
    ('2024-02', '2024-03-01')
    """
    if end is None or start is None:
        return end
    exact = "T" in end and "T" in start
    length = min(len(end), len(start), 10)
    late = _datetime.fromisoformat(end) < _datetime.fromisoformat(start) if exact else False
    if late or (not exact and end[:length] < start[:length]):
        raise ValueError("lies before the start")
    return end


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _read(text: str, formats: tuple[str, ...]) -> _datetime:
    for pattern in formats:
        try:
            return _datetime.strptime(text, pattern)  # noqa: DTZ007 the caller adds the zone
        except ValueError:
            continue
    english = _LETTERS.sub(_in_english, text)
    if english == text:
        raise ValueError("not a date in the declared format")
    return _read(english, formats)


def _in_english(word: re.Match[str]) -> str:
    return _SPANISH.get(word[0].lower(), word[0])


def _written_out(text: str, zone: tzinfo) -> str | None:
    """`YYYYMMDDHHMM[SS]` without a zone, which most are; nothing for what is to be read with more care."""
    if len(text) not in (12, 14) or not (text.isascii() and text.isdigit()):
        return None
    hour, minute, second = text[8:10], text[10:12], text[12:] or "00"
    offset = _offset_of(text[:8], zone)
    if offset is None or hour > "23" or minute > "59" or second > "59":
        return None
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{hour}:{minute}:{second}{offset}"


@lru_cache(maxsize=4096)
def _offset_of(day: str, zone: tzinfo) -> str | None:
    """How a zone's offset is written, where it is one from midnight to midnight."""
    begin = _datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=zone)
    found = {moment.isoformat()[19:] for moment in (begin, begin.replace(hour=23, minute=59, second=59))}
    return found.pop() if len(found) == 1 else None


def _time_parts(text: str) -> _Parts:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date")
    return found.groups()


def _date_part(parts: _Parts) -> str:
    year, month, day = parts[:3]
    _datetime(int(year or 0), int(month or 1), int(day or 1))  # noqa: DTZ001 only checks the calendar
    return "-".join(part for part in (year, month, day) if part)


def _moment(parts: _Parts, zone: tzinfo) -> str:
    year, month, day, hour, minute, second, fraction, own = parts
    moment = _datetime(
        int(year or 1),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int(fraction[:6].ljust(6, "0")) if fraction else 0,
        _zone(own, zone),
    )
    return moment.isoformat(timespec="milliseconds") if fraction else moment.isoformat()


def _zone(text: str | None, default: tzinfo) -> tzinfo:
    if not text:
        return default
    if text == "Z":
        return UTC
    digits = text[0] + text[1:].replace(":", "").zfill(4)
    minutes = int(digits[1:3]) * 60 + int(digits[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))

"""The functions of the map language: pure, few, and total over text.

A function gets one text and gives one value; over a list it is applied to each. `whole` functions get the
list itself. ValueError means "this cannot be read" and becomes an issue of the record. A keyword `zone` is
filled with the partner's time zone.
"""

from __future__ import annotations

import base64 as _base64
import re
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from datetime import datetime as _datetime
from html import escape
from typing import Any

Function = Callable[..., Any]

_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9]\d*))+)")
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_TIME = re.compile(
    r"(?P<year>\d{4})(?:-?(?P<month>\d{2})(?:-?(?P<day>\d{2})(?:[T ]?(?P<hour>\d{2})"
    r"(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)


def upper(text: str) -> str:
    """
    >>> upper("mr")
    'MR'
    """
    return text.upper()


def lower(text: str) -> str:
    """
    >>> lower("URN:UUID:A")
    'urn:uuid:a'
    """
    return text.lower()


def title(text: str) -> str:
    """
    >>> title("MARTINEZ LOPEZ")
    'Martinez Lopez'
    """
    return text.title()


def replace(text: str, old: str, new: str) -> str:
    """
    >>> replace("900-11-2233", "-", "")
    '900112233'
    """
    return text.replace(old, new)


def match(text: str, pattern: str) -> str | None:
    r"""The first group of a regular expression (all of the match without one); None where it does not match.

    >>> match("70-99", r"^[^-]+-(.+)$")
    '99'
    """
    found = re.search(pattern, text)
    return found.group(1 if found.re.groups else 0) if found else None


def split(text: str, separator: str) -> list[str]:
    """
    >>> split("MO, TU", ",")
    ['MO', 'TU']
    """
    return [part.strip() for part in text.split(separator) if part.strip()]


def join(values: list[str] | str, separator: str) -> str:
    """
    >>> join(["one", "two"], " / ")
    'one / two'
    """
    return separator.join(map(str, values)) if isinstance(values, list) else str(values)


def first(values: Any) -> Any:
    """
    >>> first(["a", "b"])
    'a'
    """
    return values[0] if isinstance(values, list) else values


def last(values: Any) -> Any:
    """
    >>> last(["a", "b"])
    'b'
    """
    return values[-1] if isinstance(values, list) else values


def unique(values: Any) -> Any:
    """
    >>> unique(["a", "b", "a"])
    ['a', 'b']
    """
    return list(dict.fromkeys(values)) if isinstance(values, list) else values


def words(*parts: Any) -> str | None:
    """What is there of the parts, with spaces between.

    >>> words("Anna", None, "Kowalski")
    'Anna Kowalski'
    """
    return " ".join(str(part) for part in parts if part is not None and part != "") or None


def concat(*parts: Any) -> str | None:
    """All parts as one text; None when one is missing.

    >>> concat("urn:lab:", "7"), concat("urn:lab:", None)
    ('urn:lab:7', None)
    """
    return None if any(part is None for part in parts) else "".join(map(str, parts))


def integer(text: str) -> int:
    """
    >>> integer("007")
    7
    """
    return int(str(text).strip())


def decimal(text: str) -> float | int:
    """
    >>> decimal("+1.50"), decimal(" 182 ")
    (1.5, 182)
    """
    text = str(text).strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return float(text) if "." in text else int(text)


def number(text: str) -> float | int | None:
    """As `decimal`, but None for what is no number: for values that may also be text.

    >>> number("182"), number(">200") is None
    (182, True)
    """
    return decimal(text) if _NUMBER.fullmatch(str(text).strip()) else None


def boolean(text: str, *true: str) -> bool:
    """
    >>> boolean("Y", "Y", "1"), boolean("N", "Y", "1")
    (True, False)
    """
    return text in true


def uri(text: str) -> str | None:
    """OIDs and UUIDs as URNs, absolute URIs as they are, anything else nothing.

    >>> uri("2.16.840.1.113883.4.6"), uri("https://a.example/x"), uri("LAB") is None
    ('urn:oid:2.16.840.1.113883.4.6', 'https://a.example/x', True)
    """
    if found := _OID.fullmatch(text):
        return f"urn:oid:{found.group(1)}"
    if found := _UUID.fullmatch(text):
        return f"urn:uuid:{found.group(1).lower()}"
    return text if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+$", text) else None


def token(text: str) -> str:
    """Text fit for the end of a URI.

    >>> token("LAKESIDE MAIN/2")
    'LAKESIDE-MAIN-2'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")


def div(text: str) -> str:
    """Plain text as narrative XHTML.

    >>> div("a < b")
    '<div xmlns="http://www.w3.org/1999/xhtml">a &lt; b</div>'
    """
    lines = "<br/>".join(escape(line, quote=False) for line in text.split("\n"))
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{lines}</div>'


def base64(text: str) -> str:
    """
    >>> base64("note")
    'bm90ZQ=='
    """
    return _base64.b64encode(text.encode()).decode()


def date(text: str, *formats: str) -> str:
    """A FHIR date as exact as the source: HL7 v2, CDA and ISO forms, or strptime formats.

    >>> date("19710412"), date("197104"), date("04/12/1971", "%m/%d/%Y"), date("20261103142000-0600")
    ('1971-04-12', '1971-04', '1971-04-12', '2026-11-03')
    """
    if formats:
        return _read(text, formats).strftime("%Y-%m-%d")
    parts = _time_parts(text)
    return _date_part(parts)


def datetime(text: str, *formats: str, zone: tzinfo) -> str:
    """A FHIR dateTime as exact as the source; a time without zone is in the partner's.

    >>> datetime("20261103142000", zone=ZoneInfo("America/Chicago"))
    '2026-11-03T14:20:00-06:00'
    >>> datetime("2026", zone=ZoneInfo("America/Chicago"))
    '2026'
    """
    if formats:
        moment = _read(text, formats)
        exact = any("%H" in pattern or "%I" in pattern for pattern in formats)
        return moment.replace(tzinfo=zone).isoformat() if exact else moment.strftime("%Y-%m-%d")
    parts = _time_parts(text)
    return _moment(parts, zone) if parts["hour"] else _date_part(parts)


def instant(text: str, *formats: str, zone: tzinfo) -> str:
    """A FHIR instant; what the source leaves out is the earliest it can mean.

    >>> instant("20261103", zone=ZoneInfo("America/Chicago"))
    '2026-11-03T00:00:00-06:00'
    """
    if formats:
        return _read(text, formats).replace(tzinfo=zone).isoformat()
    return _moment(_time_parts(text), zone)


def time(text: str) -> str:
    """A FHIR time.

    >>> time("0930"), time("17:00")
    ('09:30:00', '17:00:00')
    """
    found = re.fullmatch(r"(\d{2}):?(\d{2})(?::?(\d{2}))?(?:\.\d+)?", text.strip())
    if not found or found.group(1) > "23" or found.group(2) > "59":
        raise ValueError("not a time of day")
    return f"{found.group(1)}:{found.group(2)}:{found.group(3) or '00'}"


def _read(text: str, formats: tuple[str, ...]) -> _datetime:
    for pattern in formats:
        try:
            return _datetime.strptime(text, pattern)  # noqa: DTZ007 the caller adds the zone
        except ValueError:
            continue
    raise ValueError("not a date in the declared format")


def _time_parts(text: str) -> dict[str, str | None]:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date")
    return found.groupdict()


def _date_part(parts: dict[str, str | None]) -> str:
    year, month, day = parts["year"], parts["month"], parts["day"]
    _datetime(int(year or 0), int(month or 1), int(day or 1))  # noqa: DTZ001 only checks the calendar
    return "-".join(part for part in (year, month, day) if part)


def _moment(parts: dict[str, str | None], zone: tzinfo) -> str:
    values = [int(parts[name] or default) for name, default in _EARLIEST.items()]
    moment = _datetime(*values, tzinfo=_zone(parts["zone"], zone))  # type: ignore[misc,arg-type]
    if fraction := parts["fraction"]:
        moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        return moment.isoformat(timespec="milliseconds")
    return moment.isoformat()


_EARLIEST = {"year": "1", "month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}


def _zone(text: str | None, default: tzinfo) -> tzinfo:
    if not text:
        return default
    if text == "Z":
        return UTC
    digits = text.replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        upper, lower, title, replace, match, split, join, first, last, unique, words, concat, integer,
        decimal, number, boolean, uri, token, div, base64, date, datetime, instant, time,
    )
}  # fmt: skip
WHOLE = frozenset({"join", "first", "last", "unique", "words", "concat"})
"""Functions that get a list as it is; `words` and `concat` are also called when an argument is missing."""
OPTIONAL_ARGUMENTS = frozenset({"words", "concat"})

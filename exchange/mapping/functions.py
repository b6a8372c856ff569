"""The functions of the map language: pure, few, and total over text.

A function gets one text and gives one value; over a list it is applied to each. `whole` functions get the
list itself. ValueError means "this cannot be read" and becomes an issue of the record. A keyword `zone` is
filled with the partner's time zone.
"""

from __future__ import annotations

import base64 as _base64
import re
from collections.abc import Callable
from html import escape
from typing import Any

from exchange.mapping.dates import date, datetime, days_after, excel_date, instant, later, time, until
from exchange.model.hl7_tables import is_listed
from exchange.model.ucum import is_ucum

Function = Callable[..., Any]

_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9]\d*))+)")
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|\d+\.\d+[eE][+-]?0*\d{1,2})")
_FEET = re.compile(
    r"""([1-9])\s*(?:['’′`]|ft\.?|feet|foot|pies?)\s*(?:((?:\d|1[01])(?:\.\d+)?)\s*(?:["”″]|['’′]{2}|in\.?|inch(?:es)?|pulg\w*)?)?""",
    re.I,
)
_TABLE = re.compile(r"(?:HL7)?(\d{4})")
_MINUTES = {"s": 1 / 60, "min": 1, "h": 60, "d": 1440, "wk": 10080}


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


def least(values: Any) -> Any:
    """The first in order of text; of moments written alike the earliest.

    >>> least(["20240301", "20231105"])
    '20231105'
    """
    return min(values) if isinstance(values, list) else values


def greatest(values: Any) -> Any:
    """The last in order of text.

    >>> greatest(["2026-03-02", "2026-01-15"])
    '2026-03-02'
    """
    return max(values) if isinstance(values, list) else values


def dotted(text: str, after: str) -> str:
    """A code with its dot, where claims leave it out (ICD, after so many characters).

    >>> dotted("F1120", "3"), dotted("I10", "3"), dotted("F11.20", "3")
    ('F11.20', 'I10', 'F11.20')
    """
    at = int(after)
    return text if "." in text or len(text) <= at else f"{text[:at]}.{text[at:]}"


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
    >>> decimal("+1.50"), decimal(" 182 "), decimal("2.5000000e+001")
    (1.5, 182, 25.0)
    """
    text = str(text).strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return float(text) if "." in text else int(text)


def number(text: str) -> float | int | None:
    """As `decimal`, but None for what is no number: for values that may also be text.

    >>> number("182"), number(">200") is None, number("2E5") is None
    (182, True, True)
    """
    return decimal(text) if _NUMBER.fullmatch(str(text).strip()) else None


def inches(text: str) -> float | int | None:
    """Feet and inches as inches, None for what is not written so.

    >>> inches("5′11″"), inches("5 ft 11.5 in"), inches("6′"), inches("5'13"), inches("180")
    (71, 71.5, 72, None, None)
    """
    found = _FEET.fullmatch(str(text).strip())
    return None if found is None else 12 * int(found[1]) + decimal(found[2] or "0")


def minutes(amount: str, unit: str) -> int:
    """An amount of a UCUM unit of time in minutes.

    >>> minutes("1.5", "h"), minutes("30", "min")
    (90, 30)
    """
    if unit not in _MINUTES:
        raise ValueError("not a unit of time")
    return round(float(amount) * _MINUTES[unit])


def repeats(number: str) -> int:
    """How often after the first time, from how often in all.

    >>> repeats("3"), repeats("0")
    (2, 0)
    """
    return max(0, int(number) - 1)


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


def table(code: str, number: str) -> str | None:
    """The URI of HL7's table where it lists the code; a table that R4 does not know lists all.

    >>> table("I", "0004"), table("I", "HL70004")[-7:], table("WARD 7", "0004") is None
    ('http://terminology.hl7.org/CodeSystem/v2-0004', 'v2-0004', True)
    >>> table("anything", "L") is None
    True
    """
    found = _TABLE.fullmatch(number)
    if found is None or not is_listed(found.group(1), code):
        return None
    return f"http://terminology.hl7.org/CodeSystem/v2-{found.group(1)}"


def ucum(text: str) -> str | None:
    """The unit where it is one of UCUM's.

    >>> ucum("mg/dL"), ucum("mgs per dL") is None
    ('mg/dL', True)
    """
    return text if is_ucum(text) else None


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


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        upper, lower, title, replace, match, split, join, first, last, unique, least, words, concat, integer,
        decimal, number, boolean, uri, token, div, base64, date, datetime, instant, time,
        later, minutes, repeats, until, greatest, dotted, table, ucum, days_after, excel_date, inches,
    )
}  # fmt: skip
WHOLE = frozenset({"join", "first", "last", "unique", "least", "greatest", "words", "concat"})
"""Functions that get a list as it is; `words`, `concat` and `until` also run when one is missing."""
OPTIONAL_ARGUMENTS = frozenset({"words", "concat", "until"})

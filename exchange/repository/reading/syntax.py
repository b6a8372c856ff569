"""How a search is written: separators, escapes, prefixes, numbers. https://hl7.org/fhir/R4/search.html#escaping"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from exchange.model.errors import ExchangeError
from exchange.repository.storage.dates import span, within_time

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)\Z", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]{1,9}")


class BadSearch(ExchangeError):
    """A search that cannot be carried out as written; the message names the parameter, never the value."""

    http_status = 400
    issue_code = "invalid"


def split_values(text: str, separator: str = ",") -> tuple[str, ...]:
    r"""Values separated by commas; a backslash takes `,` `|` `$` and itself literally.

    >>> split_values(r"a,b\,c"), split_values(r"a\\,b")
    (('a', 'b\\,c'), ('a\\\\', 'b'))
    """
    return tuple(re.findall(rf"(?:^|{re.escape(separator)})((?:\\.|[^\\{re.escape(separator)}]|\\$)*)", text))


def unescape(text: str) -> str:
    r"""Without the backslashes that protected separators.

    >>> unescape(r"b\,c")
    'b,c'
    """
    return re.sub(r"\\([,|$\\])", r"\1", text)


def split_bar(value: str) -> tuple[str, bool, str]:
    """System, whether there was a bar, and code.

    >>> split_bar("urn:mrn|77"), split_bar("77")
    (('urn:mrn', True, '77'), ('', False, '77'))
    """
    first, *rest = split_values(value, "|")
    if not rest:
        return "", False, unescape(first)
    return unescape(first), True, unescape("|".join(rest))


def prefixed(value: str) -> tuple[str, str]:
    """Prefix (`eq` when there is none) and what follows it."""
    match = _PREFIXED.match(value)
    return (match[1] or "eq", match[2]) if match else ("eq", "")


def whole_number(name: str, text: str) -> int:
    """The value of a parameter that counts; raises BadSearch for any that is no number, or beyond all use.

    >>> whole_number("_count", "20")
    20
    """
    if not _WHOLE.fullmatch(text):
        raise BadSearch(f"{name} is a number of at most nine digits")
    return int(text)


def number(name: str, text: str) -> tuple[float, float]:
    """A number and half of what its last digit stands for: 5.40 means 5.395 up to 5.405."""
    if not _NUMBER.fullmatch(text):
        raise BadSearch(f"{name} is not a number")
    mantissa, _, exponent = text.lower().partition("e")
    return float(text), 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def instants(name: str, value: str, at: datetime) -> tuple[str, datetime, datetime]:
    """Prefix, first instant and the one after the last; `ap` is widened by a tenth of the way from `at`."""
    prefix, text = prefixed(value)
    try:
        low, high = span(text)
        if prefix == "ap":
            margin = max(abs(at - low) / 10, timedelta(days=1))
            low, high = within_time(low, -margin), within_time(high, margin)
    except (ValueError, OverflowError):
        raise BadSearch(f"{name} is a date with or without a prefix") from None
    return prefix, low, high


def reference_id(value: str) -> UUID | None:
    """Id of a reference in any of its forms; None when it cannot be one of ours.

    >>> str(reference_id("https://fhir.example/Patient/1d830953-d517-5a36-862f-b15a3888a7c0"))
    '1d830953-d517-5a36-862f-b15a3888a7c0'
    """
    try:
        return UUID(unescape(value).rpartition("/")[2])
    except ValueError:
        return None


def ids_of(values: Sequence[str]) -> list[UUID]:
    """Those of the values that can be ids of ours."""
    return [found for found in map(reference_id, values) if found]

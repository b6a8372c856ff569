"""What a function gives, and which constants it can never work with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from exchange.mapping.functions import OPTIONAL_ARGUMENTS

GIVES = {
    "integer": "integer",
    "minutes": "integer",
    "repeats": "integer",
    "decimal": "decimal",
    "number": "decimal",
    "inches": "decimal",
    "boolean": "boolean",
    "uri": "uri",
    "table": "uri",
    "div": "xhtml",
    "base64": "base64Binary",
    "date": "date",
    "days_after": "date",
    "excel_date": "date",
    "datetime": "dateTime",
    "instant": "instant",
    "later": "instant",
    "until": "dateTime",
    "time": "time",
    "code": "code",
    "coding": "Coding",
    "concept": "CodeableConcept",
}
"""FHIR type of what a function gives; the others give text."""


def argument_fault(name: str, arguments: Sequence[Any]) -> str:
    """Why a function can never work with these constants (None: only the source knows); `` if it can.

    >>> argument_fault("date", ["dd.mm.yyyy"]), argument_fault("date", ["%d.%m.%Y"])
    ('`dd.mm.yyyy` has no field such as %Y', '')
    """
    known = [argument for argument in arguments if argument is not None]
    if name not in OPTIONAL_ARGUMENTS and not all(isinstance(argument, str) for argument in known):
        return "its arguments are text in quotes"
    if name == "boolean" and not arguments:
        return 'say which texts are true: boolean("Y", "1")'
    check = {
        "match": _pattern_fault,
        "date": _format_fault,
        "datetime": _format_fault,
        "instant": _format_fault,
    }
    faults = (check[name](argument) for argument in known if name in check)
    return next((fault for fault in faults if fault), "")


def _pattern_fault(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""


def _format_fault(pattern: str) -> str:
    try:
        shown = _EXAMPLE.strftime(pattern)
        if shown == pattern:
            return f"`{pattern}` has no field such as %Y"
        _EXAMPLE.strptime(shown, pattern)
    except ValueError as error:
        return f"not a format of strptime: {error}"
    return ""


_EXAMPLE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)

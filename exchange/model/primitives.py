"""FHIR R4's primitive types as JSON Schema; dates are valid in the calendar, not only in form.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import re
from typing import Any

from exchange.model.fhir_types import type_names

Schema = dict[str, Any]

# Year 0000 is excluded as R4 does; a 29 February needs a leap year.
_YEAR = r"(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTH_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = rf"(?:{_YEAR}-{_MONTH_DAY}|{_LEAP}-02-29)"
_MONTH = rf"{_YEAR}-(?:0[1-9]|1[0-2])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_ID = r"[A-Za-z0-9.-]{1,64}"
_INTEGER_MAX = 2**31 - 1


def _text(pattern: str, form: str) -> Schema:
    return {"$comment": f"must be {form}", "type": "string", "pattern": pattern}


def _whole(least: int, form: str) -> Schema:
    return {"$comment": f"must be {form}", "type": "integer", "minimum": least, "maximum": _INTEGER_MAX}


def reference_pattern(targets: tuple[str, ...]) -> Schema:
    """Reference.reference: `Type/id` of a target type, absolute, `urn:`, `#contained` or conditional."""
    types = "|".join(sorted(targets))
    pattern = rf"^(?:(?:{types})(?:/{_ID}(?:/_history/{_ID})?|\?\S+)|#{_ID}|#|{_SCHEME}\S+)$"
    named = ", ".join(targets) if len(targets) <= 12 else "any resource type"
    return _text(pattern, f"a reference (Type/id, absolute, urn: or #contained) to {named}")


PRIMITIVES: dict[str, Schema] = {
    "base64Binary": _text(
        r"^(?:\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/])*"
        r"(?:\s*[A-Za-z0-9+/]\s*[A-Za-z0-9+/]\s*(?:=\s*=|[A-Za-z0-9+/]\s*=))?\s*$",
        "base64",
    )
    | {"minLength": 1},
    "boolean": {"$comment": "must be true or false", "type": "boolean"},
    "canonical": _text(r"^\S+$", "a canonical URL without spaces"),
    "code": _text(r"^\S+(?:\s\S+)*$", "a code without leading, trailing or double spaces"),
    "date": _text(rf"^(?:{_DAY}|{_MONTH}|{_YEAR})$", "a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _text(
        rf"^(?:{_DAY}(?:T{_CLOCK}{_ZONE})?|{_MONTH}|{_YEAR})$",
        "a dateTime of the calendar: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz",
    ),
    "decimal": {"$comment": "must be a number", "type": "number"},
    "id": _text(rf"^{_ID}$", "an id of 1 to 64 letters, digits, - or ."),
    "instant": _text(rf"^{_DAY}T{_CLOCK}{_ZONE}$", "an instant: YYYY-MM-DDThh:mm:ss+zz:zz"),
    "integer": _whole(-_INTEGER_MAX - 1, "a whole number of 32 bits"),
    "markdown": _text(r"\S", "text that is not blank"),
    "oid": _text(r"^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$", "urn:oid: and an OID"),
    "positiveInt": _whole(1, "a whole number above 0"),
    "string": _text(r"\S", "text that is not blank"),
    "time": _text(rf"^{_CLOCK}$", "a time hh:mm:ss"),
    "unsignedInt": _whole(0, "a whole number not below 0"),
    "uri": _text(r"^\S+$", "a URI without spaces"),
    "url": _text(rf"^(?:{_SCHEME}\S+|/?[A-Za-z0-9.#-]+(?:[/?]\S*)?)$", "a URL without spaces"),
    "uuid": _text(r"^urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "urn:uuid: and a UUID"),
    "xhtml": _text(r"^\s*<div(?:\s[^>]*)?(?:/>|>[\s\S]*</div>)\s*$", "an XHTML div"),
}

ANY_REFERENCE = reference_pattern(tuple(sorted(type_names("resource"))))


def misfit(type_name: str, value: Any) -> str:
    """What a value of a primitive type must be, where this one is not; `` where it fits.

    >>> misfit("date", "02/01/2024"), misfit("date", "2024-01-02"), misfit("positiveInt", 0)
    ('must be a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD', '', 'must be a whole number above 0')
    """
    rule = PRIMITIVES[type_name]
    return "" if _fits(value, rule) else str(rule["$comment"])


def _fits(value: Any, rule: Schema) -> bool:
    if not isinstance(value, _PYTHON[rule["type"]]) or (
        isinstance(value, bool) != (rule["type"] == "boolean")
    ):
        return False
    if isinstance(value, str):
        return re.search(rule["pattern"], value) is not None
    return bool(rule.get("minimum", value) <= value <= rule.get("maximum", value))


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}

"""Under which condition something is to be changed: it is measured, or the request is refused.

A condition that went unheard would let a change happen that its sender forbade.
https://hl7.org/fhir/R4/http.html#concurrency, https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import re
from collections.abc import Collection

from exchange.api.messages import Call, Refusal

_CONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since", "If-None-Exist")
_VERSION = re.compile(r'W/"([1-9][0-9]{0,8})"')


def refuse_conditions(call: Call, heard: Collection[str] = ()) -> None:
    """Raises Refusal for a condition that nobody here measures."""
    for name in _CONDITIONS:
        if name not in heard and name.lower() in call.headers:
            status = 400 if name == "If-None-Exist" else 412
            raise Refusal(status, "not-supported", f"{name} is not heard here, and nothing was changed")


def expected_version(call: Call) -> int | None:
    """The version that a change is meant for: 0 when there must be none yet, None for any that there is.

    Raises Refusal (400) for a condition that no version of ours is.
    """
    match = call.headers.get("if-match", "").strip()
    found = _VERSION.fullmatch(match)
    if match and not found:
        raise Refusal(400, "invalid", 'If-Match is an ETag of ours such as W/"2"')
    absent = call.headers.get("if-none-match", "").strip()
    if absent not in ("", "*") or (absent and found):
        raise Refusal(400, "invalid", "If-None-Match of a change is *, and alone")
    return 0 if absent else int(found[1]) if found else None

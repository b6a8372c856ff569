"""What a page gives its reader to bring back, as the console keeps nothing between two pages.

It is sealed for the account it was given to: others can neither read nor change it.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from exchange.console.desk import Desk
from exchange.console.messages import Visit
from exchange.crypto import SealBroken, hide, reveal

_MOST = 900_000  # letters: a field of a form of more than a megabyte is refused
_UNPACKED = 20_000_000


def keep(desk: Desk, visit: Visit, what: str, values: dict[str, Any]) -> str:
    """The values as a field of a form; empty when they are too long for one."""
    packed = base64.b85encode(zlib.compress(json.dumps(values).encode())).decode()
    kept = hide(packed, desk.cookie_key, _purpose(visit, what))
    return kept if len(kept) <= _MOST else ""


def brought(desk: Desk, visit: Visit, what: str, field: str = "kept") -> dict[str, Any] | None:
    """What a field of the form brought back; None when it is not what was given."""
    try:
        packed = base64.b85decode(reveal(visit.form.get(field, ""), desk.cookie_key, _purpose(visit, what)))
    except SealBroken:
        return None
    found: dict[str, Any] = json.loads(zlib.decompressobj().decompress(packed, _UNPACKED))
    return found


def _purpose(visit: Visit, what: str) -> str:
    return f"console {what} of {visit.person.login}"

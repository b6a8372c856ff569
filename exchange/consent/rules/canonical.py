"""One spelling for equal content, so that equal content has one digest."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson


def canonical(body: Any) -> bytes:
    """JSON with sorted keys."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def digest(body: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return sha256(canonical(body)).hexdigest()

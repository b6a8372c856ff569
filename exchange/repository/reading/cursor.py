"""Where the next page begins: opaque, sealed, and good only for the viewer and the search it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from exchange.crypto import SealBroken, hide, reveal
from exchange.model.errors import ExchangeError
from exchange.model.records import Viewer


class CursorRefused(ExchangeError):
    """The cursor was altered or belongs to another viewer or search."""

    http_status = 400
    issue_code = "invalid"


def write_cursor(position: Sequence[str], viewer: Viewer, search: Sequence[Any], key: bytes) -> str:
    """Token for what comes after `position` in `search`; the same input gives the same token.

    A position may be a name or a date of birth: nobody but we can read it in a URL.
    """
    return hide(orjson.dumps(list(position)).decode(), key, _purpose(viewer, search))


def read_cursor(token: str, viewer: Viewer, search: Sequence[Any], key: bytes) -> list[str]:
    """The position; raises CursorRefused."""
    try:
        position: list[str] = orjson.loads(reveal(token, key, _purpose(viewer, search)))
    except SealBroken:
        raise CursorRefused("this cursor belongs to another viewer or search, or was altered") from None
    return position


def _purpose(viewer: Viewer, search: Sequence[Any]) -> str:
    bound = orjson.dumps([viewer.participant, viewer.role, viewer.purpose, list(search)])
    return f"cursor {sha256(bound).hexdigest()}"

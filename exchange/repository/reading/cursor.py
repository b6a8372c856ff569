"""Where the next page begins: opaque, signed, and good only for the viewer and the search it was made for."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from exchange.model.errors import ExchangeError
from exchange.model.records import Viewer

_SIGNATURE = 16


class CursorRefused(ExchangeError):
    """The cursor was altered or belongs to another viewer or search."""

    http_status = 400
    issue_code = "invalid"


def write_cursor(position: Sequence[str], viewer: Viewer, search: Sequence[Any], key: bytes) -> str:
    """Token for what comes after `position` in `search`; the same input gives the same token."""
    payload = orjson.dumps(list(position))
    signed = _sign(payload, viewer, search, key) + payload
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def read_cursor(token: str, viewer: Viewer, search: Sequence[Any], key: bytes) -> list[str]:
    """The position; raises CursorRefused."""
    try:
        signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise CursorRefused("not a cursor of ours") from None
    signature, payload = signed[:_SIGNATURE], signed[_SIGNATURE:]
    if not hmac.compare_digest(signature, _sign(payload, viewer, search, key)):
        raise CursorRefused("this cursor belongs to another viewer or search, or was altered")
    position: list[str] = orjson.loads(payload)
    return position


def _sign(payload: bytes, viewer: Viewer, search: Sequence[Any], key: bytes) -> bytes:
    bound = orjson.dumps([viewer.participant, viewer.role, viewer.purpose, list(search)])
    return hmac.new(key, sha256(bound).digest() + payload, sha256).digest()[:_SIGNATURE]

"""Headers a client wants with its notifications: they hold its receiver's secrets, so they lie sealed."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

import orjson

from exchange.crypto import Keyring, SealBroken, seal, unseal
from exchange.model.errors import ContentError


def seal_headers(headers: Sequence[tuple[str, str]], keyring: Keyring, subscription: str) -> str:
    """In base64, for the Subscription of this id and no other."""
    return b64encode(seal(orjson.dumps(dict(headers)), keyring, _context(subscription))).decode()


def open_headers(sealed: str | None, keyring: Keyring | None, subscription: str) -> Mapping[str, str]:
    """Name and value of each; raises ContentError when they cannot be opened here."""
    if sealed is None:
        return {}
    try:
        if keyring is None:
            raise SealBroken("there is no keyring")
        found: Mapping[str, str] = orjson.loads(unseal(b64decode(sealed), keyring, _context(subscription)))
    except (SealBroken, ValueError):
        raise ContentError(
            "is sealed under a key that is not at hand; the client must give its headers again",
            field="channel.header",
        ) from None
    return found


def _context(subscription: str) -> bytes:
    return f"subscription {subscription}".encode()

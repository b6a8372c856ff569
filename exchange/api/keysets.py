"""Keys of clients that publish them under an address: kept for a while, fetched again when a new one signs.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Condition
from typing import Any, NamedTuple

from exchange.api.clients import fit_keys
from exchange.connectors.jwks import fetch_jwks
from exchange.model.errors import ContentError, PartnerUnavailable

KEPT_SECONDS = 3_600.0
"""After this a key that was taken off the set serves no longer."""

AGAIN_SECONDS = 60.0
"""An unknown `kid` makes us fetch again, this often at most."""

_MOST = 1_000
_MOST_WAITING = 8
_PATIENCE = 2.0


class _Held(NamedTuple):
    tried: float
    fetched: float
    keys: Sequence[Mapping[str, Any]]


class KeySets:
    """One process's copies, by address."""

    def __init__(
        self,
        fetch: Callable[[str], Mapping[str, Any]] = fetch_jwks,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._timer, self._changed = fetch, timer, Condition()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._fetching: set[str] = set()
        self._waiting = 0

    def refresh(self, url: str, kid: str) -> None:
        """Fetches the set when it is not there, has grown old, or lacks the key; does not raise.

        Who comes while it is fetched waits for it a little: a client that has a new key asks often at once.
        """
        now = self._timer()
        with self._changed:
            held = self._held.get(url) or _Held(-AGAIN_SECONDS, 0.0, ())
            known = held.keys and now - held.fetched < KEPT_SECONDS
            if known and any(key.get("kid") == kid for key in held.keys):
                return
            if url in self._fetching:
                self._wait_for(url)
                return
            if now - held.tried < AGAIN_SECONDS:
                return
            self._held[url] = held._replace(tried=now)
            self._held.move_to_end(url)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
            self._fetching.add(url)
        keys: Sequence[Mapping[str, Any]] | None = None
        try:
            keys = fit_keys(self._fetch(url))
        except (PartnerUnavailable, ContentError):
            return
        finally:
            with self._changed:
                self._fetching.discard(url)
                if keys is not None:
                    self._held[url] = _Held(now, now, keys)
                self._changed.notify_all()

    def _wait_for(self, url: str) -> None:
        """Few wait, and not for long: an address that drips must not hold everybody who asks."""
        if self._waiting < _MOST_WAITING:
            self._waiting += 1
            self._changed.wait_for(lambda: url not in self._fetching, _PATIENCE)
            self._waiting -= 1

    def keys(self, url: str) -> Mapping[str, Any]:
        """The set as it is known; without keys when it could not be fetched, or not lately."""
        with self._changed:
            held = self._held.get(url)
        if held is None or self._timer() - held.fetched >= KEPT_SECONDS:
            return {"keys": []}
        return {"keys": list(held.keys)}

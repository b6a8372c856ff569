"""What the console needs from the rest of the house, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exchange.app import Exchange


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """An issuer of OpenID Connect whose people may sign in, and our client there."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Desk:
    """One running console; `base_url` without a trailing slash, `airflow_url` where Airflow's pages are."""

    exchange: Exchange
    base_url: str
    cookie_key: bytes
    provider: OpenIdProvider | None = None
    airflow_url: str | None = None

    @property
    def now(self) -> Callable[[], datetime]:
        return self.exchange.work.now

    @property
    def secure(self) -> bool:
        """Is the console reached by HTTPS, so that cookies can insist on it?"""
        return self.base_url.startswith("https://")

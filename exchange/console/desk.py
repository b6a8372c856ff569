"""What the console needs from the rest of the house, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.app import Current, Exchange
from exchange.model.records import Viewer


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """An issuer of OpenID Connect whose people may sign in, and our client there."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Registered:
    """Software of a participant that may ask for tokens; `ours`: its own people switched it off."""

    client_id: str
    scopes: tuple[str, ...]
    purposes: tuple[str, ...]
    disabled: datetime | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """A Group that a participant uploaded; `until`: from when on it says nothing any more."""

    panel: str
    name: str
    members: int
    updated: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """One running console; `base_url` without a trailing slash, `airflow_url` where Airflow's pages are.

    `ask` answers a GET below /fhir as a viewer, for a login: (status, body); `upload`
    likewise a POST of a Group, or a PUT of the one that is named; `end_panel` a DELETE. `panels` are those of
    a participant, the latest first. `clients`, `register` (participant, login, name, keys), `disable` and
    `let_in` (participant, login, name) are about the clients of one participant, and recorded; `register`
    raises ContentError for unfit keys.
    """

    opened: Current
    base_url: str
    cookie_key: bytes
    ask: Callable[[Viewer, str, str], tuple[int, bytes]]
    upload: Callable[[Viewer, str, bytes, str], tuple[int, bytes]]
    end_panel: Callable[[Viewer, str, str], int]
    panels: Callable[[str], list[Panel]]
    clients: Callable[[str], list[Registered]]
    register: Callable[[str, str, str, dict[str, Any]], None]
    disable: Callable[[str, str, str], bool]
    let_in: Callable[[str, str, str], bool]
    provider: OpenIdProvider | None = None
    airflow_url: str | None = None

    @property
    def exchange(self) -> Exchange:
        """By the content of now: whoever mends a map or puts rules into force sees it without a restart."""
        return self.opened()

    @property
    def now(self) -> Callable[[], datetime]:
        return self.exchange.work.now

    @property
    def secure(self) -> bool:
        """Is the console reached by HTTPS, so that cookies can insist on it?"""
        return self.base_url.startswith("https://")

"""What a page is asked and what it answers, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exchange.console.accounts import Account

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Why what was sent cannot be used; `field`: the name of the form's field that is to be mended."""

    words: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request; `account` is None before signing in, `path` the values of the address's parameters.

    `browser` is the value of a cookie to give to a browser that has none; `told` a word from the page before,
    `back` where somebody was going when asked to sign in; with a `fault` its form is shown again as typed.
    """

    account: Account | None
    path: Fields
    query: Fields
    form: Fields
    files: Mapping[str, Upload]
    address: str
    language: str
    csrf: str
    browser: str
    session: str
    openid: str
    told: str
    back: str
    at: datetime
    fault: Fault | None = None

    @property
    def person(self) -> Account:
        """Who asks; only for pages that need a sign-in."""
        if self.account is None:
            raise LookupError("nobody is signed in")
        return self.account


@dataclass(frozen=True, slots=True)
class Page:
    """A template and its values; `patients`: FHIR ids of those whose data it shows, for the audit log.

    None among them is somebody of whom nothing is known yet: a record that could not be read.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    patients: Sequence[str | None] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go on at another address; `told` is shown there once, `session` begins, or ends where it is empty.

    `openid` is what the browser keeps while somebody signs in elsewhere, `back` where to go on then.
    """

    to: str
    told: str = ""
    session: str | None = None
    language: str = ""
    openid: str = ""
    back: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to keep."""

    name: str
    media: str
    content: bytes
    patients: Sequence[str | None] = ()


Answer = Page | Redirect | Download


class NotFound(Exception):
    """There is no such thing, or it is not for this person: both look the same."""


class Unusable(Exception):
    """What was sent cannot be used; the words are for the person and name no patient."""

    def __init__(self, words: str, field: str = "") -> None:
        self.field = field
        super().__init__(words)

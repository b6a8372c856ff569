"""Every page of the console: its address, who may open it, what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exchange.console.accounts import ROLES, Role
from exchange.console.desk import Desk
from exchange.console.messages import Answer, Visit

Work = Callable[[Desk, Visit], Answer]
Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Place:
    """A page; no `roles`: open to everybody, signed in or not.

    `purpose` (v3-ActReason) is what patients' data are shown for here, as the audit log has it. `form` is the
    page that a form was sent from: it is shown again with what was typed when that cannot be used.
    """

    path: str
    work: Work
    roles: tuple[Role, ...]
    method: Method = "GET"
    purpose: str = "HOPERAT"
    form: Work | None = None


def everybody(path: str, work: Work, method: Method = "GET") -> Place:
    """A page for everyone who is signed in."""
    return Place(path, work, ROLES, method)


def nobody(path: str, work: Work, method: Method = "GET") -> Place:
    """A page before signing in."""
    return Place(path, work, (), method)

"""The parts of the console by the people they are for; each begins at one page."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.console.accounts import Account, Role
from exchange.console.marking import _


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the console; `title` is translated where it is shown."""

    role: Role
    path: str
    title: str
    about: str


AREAS: tuple[Area, ...] = (
    Area("data-engineer", "/partners", _("Exchange"), _("Partners, runs, quarantine, maps")),
    Area("privacy-officer", "/privacy", _("Privacy"), _("Consent, rules, disclosures, audit")),
    Area("match-steward", "/matching", _("Matching"), _("Possible matches and what was decided")),
    Area("partner", "/own", _("Our organization"), _("Our timeline, deliveries, keys and panels")),
    Area("coalition", "/coalition", _("Coalition"), _("What members contribute and draw")),
)


def areas_of(account: Account | None) -> tuple[Area, ...]:
    """The parts a person may open."""
    return tuple(area for area in AREAS if account is not None and account.may((area.role,)))

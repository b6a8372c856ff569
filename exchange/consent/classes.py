"""What a decision depends on: the class of the record, the participants, the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exchange.consent.directives.profiles import Profile
from exchange.consent.participants import Participant
from exchange.consent.rules.canonical import digest
from exchange.consent.rules.ruleset import Rules


@dataclass(frozen=True, slots=True)
class DisclosureClass:
    """Everything a decision can depend on about a record; equal classes are decided alike.

    `profile` is None for records about nobody; `matched` are the numbers of the content-dependent provisions
    of the profile that match the record.
    """

    source: str
    type: str
    confidentiality: str
    labels: tuple[str, ...]
    profile: Profile | None
    matched: tuple[int, ...] = ()

    @property
    def digest(self) -> str:
        return digest(
            [
                self.source,
                self.type,
                self.confidentiality,
                sorted(self.labels),
                self.profile.digest if self.profile else None,
                self.matched,
            ]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The rules in force and everybody who takes part, by code."""

    rules: Rules
    participants: Mapping[str, Participant]

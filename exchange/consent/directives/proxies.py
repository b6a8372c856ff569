"""Consents that somebody else gave for a person, and when they end by themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, time

from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.directives.normal_form import Directive
from exchange.consent.rules.minors import OF_AGE, birth_span, birthday

_NEVER = datetime.min.replace(tzinfo=UTC)


def until_of_age(directive: Directive, born: Collection[str]) -> Directive:
    """A consent given for a minor opens nothing from the 18th birthday on (the earliest of `born`).

    Where it is not said who gave it, somebody of age gave it himself, for a minor it may have been others.
    One signed for somebody of age, as by a guardian, is not touched. Without a readable birth date nobody
    knows, and it opens nothing. What it refuses stays refused until the person says otherwise.
    """
    if directive.by == "self":
        return directive
    known = [span for span in map(birth_span, born) if span]
    if not known:
        return directive if not directive.by else replace(directive, opens_until=_NEVER)
    surely, at_once = _of_age(max(last for _, last in known)), _of_age(min(first for first, _ in known))
    of_age = directive.signed is not None and directive.signed >= surely
    if of_age:
        return directive if directive.by else replace(directive, by="self")
    return replace(directive, opens_until=at_once)


def _of_age(born: date) -> datetime:
    return datetime.combine(birthday(born, OF_AGE), time(), EXCHANGE_ZONE).astimezone(UTC)

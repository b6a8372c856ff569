"""Targets of this deployment: which servers are kept for participants, and the push to them."""

from __future__ import annotations

from collections import Counter

from exchange.app.opening import Exchange, partner_environment
from exchange.app.partners.delivering import post_of
from exchange.delivery.targets.pushing import Destination, push_target
from exchange.model.errors import ContentError


def destinations(exchange: Exchange) -> dict[str, Destination]:
    """The declared targets by `<participant>/<name>`."""
    found = [
        Destination(partner.code, name, target)
        for partner in exchange.partners.values()
        for name, target in partner.targets.items()
    ]
    return {destination.code: destination for destination in sorted(found, key=lambda one: one.code)}


def find_destination(exchange: Exchange, code: str) -> Destination:
    """The target of that name; raises ContentError with the valid ones."""
    known = destinations(exchange)
    if code not in known:
        raise ContentError("no such target", field=code, valid=known)
    return known[code]


def push(exchange: Exchange, destination: Destination) -> Counter[str]:
    """One pass; raises what `push_target` raises."""
    environment = partner_environment(exchange.settings)
    return push_target(exchange.work.connect, post_of(exchange).office, destination, environment)

"""Deliveries of this deployment: the worker that sends, and what operators ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exchange.app.opening import Exchange, partner_environment
from exchange.app.secrets import load_keyring
from exchange.delivery.parcel import Office
from exchange.delivery.sending import Post, deliver


def post_of(exchange: Exchange) -> Post:
    """Everything a worker needs to send for this exchange."""
    office = Office(
        context=exchange.context,
        base_url=f"{exchange.settings.base_url}/fhir",
        signing_key=exchange.signing_key,
        organization=lambda code: _name_and_address(exchange, code),
        now=exchange.work.now,
        keyring=load_keyring(exchange.settings.keyring),
    )
    return Post(exchange.work.connect, office, partner_environment(exchange.settings))


def send_due(exchange: Exchange, every: Sequence[str] = ("at-once",)) -> Counter[str]:
    """One turn of the worker for these rhythms; counts by outcome."""
    return deliver(post_of(exchange), every)


def _name_and_address(exchange: Exchange, code: str) -> str:
    """As the accounting of disclosures needs it: as they are at this moment."""
    partner = exchange.partners.get(code)
    if partner is None:
        return "not a participant any more"
    return ", ".join(filter(None, (partner.organization.name, partner.organization.address)))

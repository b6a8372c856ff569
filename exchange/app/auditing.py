"""The audit log of this deployment: sealed with its key, anchored in a file outside the database."""

from __future__ import annotations

from exchange.app.opening import Exchange
from exchange.audit import Disclosure, Finding, accounting, seal, verify
from exchange.crypto import public_key


def seal_audit_log(exchange: Exchange) -> int:
    """Signs the end of the chain; returns the number of events under the seal."""
    with exchange.work.connect() as connection:
        anchor = exchange.settings.data / "audit" / "anchor.jsonl"
        anchor.parent.mkdir(parents=True, exist_ok=True)
        return seal(connection, exchange.signing_key, exchange.work.now(), anchor).sequence


def verify_audit_log(exchange: Exchange) -> list[Finding]:
    """Every record that is not as it was written; empty when the log is whole."""
    anchor = exchange.settings.data / "audit" / "anchor.jsonl"
    with exchange.work.connect() as connection:
        return verify(connection, public_key(exchange.signing_key), anchor)


def disclosures_of(exchange: Exchange, patient: str) -> list[Disclosure]:
    """A person's disclosures (45 CFR 164.528), oldest first."""
    with exchange.work.connect() as connection:
        return accounting(connection, patient)

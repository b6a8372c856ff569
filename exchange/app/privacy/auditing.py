"""The audit log of this deployment: sealed with its key, anchored in a file outside the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from exchange.app.opening import Exchange
from exchange.app.privacy.activation import recorded_acts, stored_rules
from exchange.audit import (
    Finding,
    append,
    officer_entries,
    prove,
    prune,
    seal,
    verify,
)
from exchange.audit.watch import look
from exchange.consent import Context
from exchange.consent.activation import fold
from exchange.crypto import public_key
from exchange.delivery.answers import look_at_answers
from exchange.pipeline.ledger import Connection


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


def prune_audit_log(exchange: Exchange) -> int:
    """Lets records go whose time is over, where the deployment set one; returns how many. Seals first."""
    years = exchange.settings.audit_years
    if years is None:
        return 0
    seal_audit_log(exchange)
    gone = 0
    with exchange.work.connect() as connection:
        while stones := prune(connection, exchange.signing_key, exchange.work.now(), years):
            gone += sum(stone.last - stone.first + 1 - len(stone.kept) for stone in stones)
    return gone


def look_at_new_answers(exchange: Exchange) -> int:
    """Notes what answers left out since the last look, by the rules of their time; how many."""
    looked = 0
    with exchange.work.connect() as connection:
        context_at = _contexts(exchange, connection)
        while found := look_at_answers(connection, context_at, exchange.work.now()):
            connection.commit()
            looked += found
    return looked


def _contexts(exchange: Exchange, connection: Connection) -> Callable[[datetime], Context]:
    """The rules in force at a time; today's where no officers' record tells."""
    if exchange.settings.activation != "officers":
        return lambda at: exchange.context

    @cache
    def of(digest: str | None) -> Context:
        rules = stored_rules(connection, digest) if digest else None
        return Context(rules, exchange.context.participants) if rules else exchange.context

    acts = recorded_acts(connection, exchange.signing_key)
    return lambda at: of(fold([act for act in acts if act.at <= at]).active)


def watch_yesterday(exchange: Exchange) -> int:
    """Looks for unusual access of the last whole day (UTC); returns how many questions are new."""
    at = exchange.work.now()
    yesterday = datetime(at.year, at.month, at.day, tzinfo=UTC) - timedelta(days=1)
    with exchange.work.connect() as connection:
        found = look(connection, yesterday, at)
        connection.commit()
    return found


def read_log(connection: Connection, reader: str, what: str, patients: Sequence[str], at: datetime) -> None:
    """The record that somebody read the log, in the transaction that read it."""
    append(connection, officer_entries("log.read", reader, what, patients, at))


def proof_of(exchange: Exchange, sequence: int, reader: str) -> dict[str, Any]:
    """The proof that one record is in the log, with the record; that `reader` looked is itself recorded."""
    with exchange.work.connect() as connection:
        proof = prove(connection, sequence)
        patient = proof["record"]["patient"]
        read_log(
            connection,
            reader,
            f"proof of record {sequence}",
            [patient] if patient else [],
            exchange.work.now(),
        )
        connection.commit()
    return proof

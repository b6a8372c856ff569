"""The officers' record in the database, and the rules that are in force because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import psycopg
from psycopg.types.json import Jsonb

from exchange.app.secrets import load_signing_key
from exchange.audit import append as append_to_log
from exchange.audit import officer_entries
from exchange.consent import Rules, complete_rules, parse_rules
from exchange.consent.activation import Act, Standing, fold, statement
from exchange.consent.proof.cases import Failure
from exchange.consent.proof.report import failing
from exchange.crypto import public_key, sign, verify
from exchange.model.errors import ContentError, DecisionFailed
from exchange.model.records import Files
from exchange.pipeline.ledger import Connection
from exchange.repository import ensure_running, migrate
from exchange.settings import Settings


@contextmanager
def officers_record(settings: Settings) -> Iterator[tuple[Connection, str]]:
    """The database and the exchange's signing key, without any rules in force; commits at the end."""
    url = settings.database_url or ensure_running(settings.data / "postgres")
    migrate(url)
    with psycopg.connect(url) as connection:
        yield connection, load_signing_key(settings.signing_key)


def standing(connection: Connection, signing_key: str) -> Standing:
    """What the officers' acts add up to; raises DecisionFailed when they were altered."""
    acts = recorded_acts(connection, signing_key)
    return fold(acts)


def recorded_acts(connection: Connection, signing_key: str) -> list[Act]:
    """Every act, oldest first; raises DecisionFailed when one was altered or is missing."""
    rows = connection.execute(
        "SELECT number, seal, kind, subject, key, officer, at, signature FROM officer_act ORDER BY number"
    ).fetchall()
    acts: list[Act] = []
    for expected, (number, seal, *said) in enumerate(rows, 1):
        act = Act(*said)
        if number != expected:
            raise DecisionFailed(f"act {expected} of the privacy officers is missing")
        if not verify(_sealed(act), seal, public_key(signing_key)):
            raise DecisionFailed(f"act {number} of the privacy officers was not written by this exchange")
        acts.append(act)
    return acts


def _sealed(act: Act) -> bytes:
    return statement(act, b"") + act.signature


def append(
    connection: Connection, signing_key: str, act: Act, signature: Callable[[bytes], bytes]
) -> Standing:
    """Writes the act with the `signature` over its statement; returns what the record adds up to then.

    Raises DecisionFailed, and writes nothing, when the act may not stand.
    """
    connection.execute("LOCK TABLE officer_act IN SHARE ROW EXCLUSIVE MODE")
    acts = recorded_acts(connection, signing_key)
    before = fold(acts)
    if act.kind == "ruleset-activated" and act.subject == before.active:
        # It would wait for a second officer who has nothing to sign.
        raise DecisionFailed(f"ruleset {act.subject} is in force already; nothing was signed")
    signed = replace(act, signature=signature(statement(act, before.head)))
    after = fold([*acts, signed])
    connection.execute(
        "INSERT INTO officer_act VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            len(acts) + 1, signed.kind, signed.subject, signed.key, signed.officer, signed.at,
            signed.signature, sign(_sealed(signed), signing_key),
        ],
    )  # fmt: skip
    told = officer_entries(
        "rules.signed", signed.officer, f"{signed.kind} {signed.subject[:12]}", [], signed.at
    )
    append_to_log(connection, told)
    return after


def to_sign(connection: Connection, signing_key: str, act: Act) -> str:
    """The statement of the act as an officer signs it elsewhere, with a key that nobody else sees."""
    return statement(act, standing(connection, signing_key).head).decode()


def store_ruleset(connection: Connection, files: Files, at: datetime) -> Rules:
    """Keeps the files that decide, so that what was signed can be used whatever the folder says.

    Raises ContentError where a case of theirs does not come out: nobody signs what is not as it was told.
    """
    rules = complete_rules(files)
    wrong = _wrong(tuple(sorted(files.items())))
    if wrong:
        raise ContentError(
            f"{len(wrong)} cases do not come out; see `exchange consent test`. Nothing was signed",
            field=wrong[0].case,
        )
    connection.execute(
        "INSERT INTO ruleset VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [rules.digest, Jsonb(dict(files)), at],
    )
    return rules


@lru_cache(maxsize=2)
def _wrong(files: tuple[tuple[str, str], ...]) -> tuple[Failure, ...]:
    """Two officers sign the same within one process, and thousands of questions take seconds."""
    return tuple(failing(dict(files), parse_rules(dict(files))))


def active_rules(connection: Connection, signing_key: str) -> Rules:
    """The rules two officers signed; raises DecisionFailed when there are none, or they were altered."""
    digest = standing(connection, signing_key).active
    if digest is None:
        raise DecisionFailed(
            "no rules are in force: two privacy officers must sign them with `exchange consent activate`"
        )
    return stored_rules(connection, digest)


def stored_rules(connection: Connection, digest: str) -> Rules:
    """The rules of that digest; raises DecisionFailed when they are missing or were altered."""
    row = connection.execute("SELECT files FROM ruleset WHERE digest = %s", [digest]).fetchone()
    if row is None:
        raise DecisionFailed(f"the files of the ruleset {digest[:12]} are missing")
    try:
        rules = parse_rules(row[0])
    except ContentError as error:
        raise DecisionFailed(f"the ruleset {digest[:12]} cannot be read: {error}") from None
    if rules.digest != digest:
        raise DecisionFailed(f"the files of the ruleset {digest[:12]} were altered")
    return rules

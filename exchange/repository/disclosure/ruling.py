"""The rules in force: when they change, everything is decided again."""

from __future__ import annotations

import hashlib
from datetime import datetime

import psycopg

from exchange.consent import Context
from exchange.consent.directives.matching import EDITION
from exchange.model.errors import Conflict
from exchange.repository.disclosure.clock import not_long_before
from exchange.repository.disclosure.folding import fold_shown
from exchange.repository.disclosure.viewers import decide_classes, load_classes
from exchange.repository.disclosure.withdraw import forbidden_rows, withdraw

_RULING_LOCK = 0x72756C696E67


def redecide_all(conn: psycopg.Connection, context: Context, at: datetime) -> int:
    """Decides every class for every viewer again; what the repository may no longer hold is withdrawn.

    Returns the number of classes; raises ClockRunsBackwards.
    """
    not_long_before(conn, at)
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_RULING_LOCK,))
    classes = load_classes(conn)
    conn.execute("DELETE FROM disclosure")
    conn.execute("DELETE FROM opened")
    decide_classes(conn, classes, context, at)
    fold_shown(conn, at)
    conn.execute(
        "INSERT INTO ruling (digest, decided) VALUES (%s, %s)"
        " ON CONFLICT (one) DO UPDATE SET digest = excluded.digest, decided = excluded.decided",
        (ruling_digest(context), at),
    )
    withdraw(conn, forbidden_rows(conn, at), context, at)
    conn.execute(
        "SELECT derive_stated_care(ARRAY(SELECT patient FROM care_statement WHERE basis = 'referral'))"
    )
    return len(classes)


def hold_ruling(conn: psycopg.Connection, context: Context, at: datetime) -> None:
    """Keeps the rules in force until the transaction ends; Conflict if they are not those of `context`.

    Raises ClockRunsBackwards when `at` is before what was decided already.
    """
    not_long_before(conn, at)
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_RULING_LOCK,))
    found = conn.execute("SELECT digest FROM ruling").fetchone()
    if found is None or found[0] != ruling_digest(context):
        raise Conflict("rules or participants changed since this process read them; open the exchange again")


def ruling_digest(context: Context) -> str:
    """What everything was decided under: rules, participants, and how consents are held against records."""
    participants = sorted(repr(p) for p in context.participants.values())
    return hashlib.sha256(
        "\n".join([matching_of(context), context.rules.digest, *participants]).encode()
    ).hexdigest()


def matching_of(context: Context) -> str:
    """How consents are held against the content of records."""
    return f"{EDITION} {context.rules.vocabulary.file.data_period}"

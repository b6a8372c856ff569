"""Local accounts of the console: argon2id secrets, a lock after failures, sessions and one-time links."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, cast, get_args

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from exchange.console.guesses import one_of_few
from exchange.model.errors import ContentError

Role = Literal["data-engineer", "partner", "privacy-officer", "match-steward", "coalition"]
ROLES: tuple[Role, ...] = get_args(Role)

IDLE = timedelta(minutes=20)
LONGEST = timedelta(hours=10)
SHORTEST_SECRET = 12
_FAILURES = 5
_FAILURES_OF_ALL = 100
"""NIST SP 800-63B section 5.2.2: no more than 100 failures in a row on one account, from wherever."""
_LOCK = timedelta(minutes=15)
_LONGEST_LOCK = timedelta(days=1)

Connection = psycopg.Connection[Any]

# RFC 9106 section 4, second recommended option (64 MiB).
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
_ABSENT = _HASHER.hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in; `participant` is the folder name of the organization they belong to."""

    login: str
    name: str
    roles: tuple[Role, ...]
    participant: str | None

    def may(self, roles: Sequence[str]) -> bool:
        """Has the person one of these roles?"""
        return not set(self.roles).isdisjoint(roles)


def add_account(
    connection: Connection,
    login: str,
    name: str,
    roles: Sequence[str],
    participant: str | None,
    at: datetime,
    subject: str | None = None,
) -> Account:
    """A new account without a password; raises ContentError for one that could not work.

    `subject`: issuer, `|` and subject of OpenID Connect, for somebody who signs in there.
    """
    if not login.strip() or login != login.strip().lower():
        raise ContentError("a login is lower case and has no spaces around it", field="login")
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ContentError("no such role", field=", ".join(sorted(unknown)) or "role", valid=ROLES)
    if "partner" in roles and participant is None:
        raise ContentError("a partner's account needs the participant it belongs to", field="participant")
    made = connection.execute(
        "INSERT INTO console_account (login, name, roles, participant, subject, created)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [login, name, list(roles), participant, subject, at],
    )
    if not made.rowcount:
        raise ContentError("there is such an account already", field=login)
    return Account(login, name, tuple(cast("Role", role) for role in roles), participant)


def accounts(connection: Connection) -> list[Account]:
    """Every account that is not disabled."""
    return _find(connection, "true ORDER BY login", [])


def disable_account(connection: Connection, login: str, at: datetime) -> None:
    """Ends an account and its sessions; raises ContentError when there is none."""
    done = connection.execute("UPDATE console_account SET disabled = %s WHERE login = %s", [at, login])
    if not done.rowcount:
        raise ContentError("no such account", field=login)
    connection.execute("DELETE FROM console_session WHERE login = %s", [login])
    connection.execute("DELETE FROM console_link WHERE login = %s", [login])


def set_secret(connection: Connection, login: str, secret: str) -> None:
    """Sets a password (NIST SP 800-63B: length counts, no composition rules); ContentError when too short."""
    if len(secret) < SHORTEST_SECRET:
        raise ContentError(f"a password has at least {SHORTEST_SECRET} characters", field="password")
    with one_of_few():
        stored = _HASHER.hash(secret)
    connection.execute(
        "UPDATE console_account SET secret = %s, failures = 0, locked_until = NULL WHERE login = %s",
        [stored, login],
    )
    connection.execute("DELETE FROM console_failure WHERE login = %s", [login])
    connection.execute("DELETE FROM console_session WHERE login = %s", [login])


def check_secret(
    connection: Connection, login: str, secret: str, address: str, at: datetime
) -> Account | None:
    """The account, or None: wrong, unknown, disabled or locked, which nobody can tell apart.

    `address`: where it is asked from. Five wrong ones in a row lock the account for that address, each more
    for twice as long; for its owner elsewhere it stays open. Raises Busy when too many are asked at once.
    """
    # Before the row is locked: who waits for a place holds nobody up.
    with one_of_few():
        return _checked(connection, login, secret, address, at)


def _checked(connection: Connection, login: str, secret: str, address: str, at: datetime) -> Account | None:
    row = connection.execute(
        "SELECT secret, locked_until, disabled FROM console_account WHERE login = %s FOR UPDATE", [login]
    ).fetchone()
    known, locked_until, disabled = row or (None, None, None)
    good = _verified(known or _ABSENT, secret) and known is not None
    if row is None or disabled or (locked_until and locked_until > at):
        return None
    failures, locked_here = _failed(connection, login, address)
    if locked_here and failures >= _FAILURES and locked_here > at:
        return None
    if not good:
        _note_failure(connection, login, address, failures + 1, at)
        return None
    connection.execute(
        "UPDATE console_account SET failures = 0, locked_until = NULL WHERE login = %s", [login]
    )
    connection.execute("DELETE FROM console_failure WHERE (login, address) = (%s, %s)", [login, address])
    return find_account(connection, login)


def _failed(connection: Connection, login: str, address: str) -> tuple[int, datetime | None]:
    row = connection.execute(
        "SELECT failures, locked_until FROM console_failure WHERE (login, address) = (%s, %s)",
        [login, address],
    ).fetchone()
    return row or (0, None)


def _note_failure(connection: Connection, login: str, address: str, failures: int, at: datetime) -> None:
    lock = min(_LOCK * 2 ** max(0, min(failures, 20) - _FAILURES), _LONGEST_LOCK)
    connection.execute("DELETE FROM console_failure WHERE locked_until < %s", [at - _LONGEST_LOCK])
    connection.execute(
        "INSERT INTO console_failure VALUES (%s, %s, %s, %s) ON CONFLICT (login, address)"
        " DO UPDATE SET failures = excluded.failures, locked_until = excluded.locked_until",
        [login, address, failures, at + lock],
    )
    connection.execute(
        "UPDATE console_account SET failures = failures + 1,"
        " locked_until = CASE WHEN failures + 1 >= %s THEN %s ELSE locked_until END WHERE login = %s",
        [_FAILURES_OF_ALL, at + _LOCK, login],
    )


def _verified(known: str, secret: str) -> bool:
    try:
        return _HASHER.verify(known, secret)
    except (VerificationError, InvalidHashError):
        return False


def find_account(connection: Connection, login: str) -> Account | None:
    """An account that is not disabled."""
    return next(iter(_find(connection, "login = %s", [login])), None)


def account_of_subject(connection: Connection, subject: str) -> Account | None:
    """The account that is bound to an issuer's subject."""
    return next(iter(_find(connection, "subject = %s", [subject])), None)


def _find(connection: Connection, where: str, parameters: list[str]) -> list[Account]:
    rows = connection.execute(
        f"SELECT login, name, roles, participant FROM console_account WHERE disabled IS NULL AND {where}",
        parameters,
    )
    return [Account(login, name, tuple(roles), participant) for login, name, roles, participant in rows]


def open_session(connection: Connection, login: str, at: datetime, by_link: bool = False) -> str:
    """A new session; the value of its cookie. `by_link` is kept with it, see `password_is_asked`."""
    connection.execute(
        "DELETE FROM console_session WHERE seen < %s OR started < %s", [at - IDLE, at - LONGEST]
    )
    token = secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO console_session (token, login, started, seen, by_link) VALUES (%s, %s, %s, %s, %s)",
        [_hash(token), login, at, at, by_link],
    )
    return token


def session_account(connection: Connection, token: str, at: datetime) -> Account | None:
    """Whose session it is, which goes on by being used; None when it ended."""
    row = connection.execute(
        "UPDATE console_session SET seen = %(at)s"
        " WHERE token = %(token)s AND seen >= %(idle)s AND started >= %(longest)s RETURNING login",
        {"at": at, "token": _hash(token), "idle": at - IDLE, "longest": at - LONGEST},
    ).fetchone()
    return find_account(connection, row[0]) if row else None


def password_is_asked(connection: Connection, token: str) -> bool:
    """Must who changes a password give the one of now: not where there is none, nor after a one-time link."""
    row = connection.execute(
        "SELECT a.secret IS NOT NULL AND NOT s.by_link FROM console_session s JOIN console_account a"
        " USING (login) WHERE s.token = %s",
        [_hash(token)],
    ).fetchone()
    return row is None or bool(row[0])


def close_session(connection: Connection, token: str) -> None:
    """Signs out."""
    connection.execute("DELETE FROM console_session WHERE token = %s", [_hash(token)])


def make_link(connection: Connection, login: str, until: datetime) -> str:
    """The secret part of a link that signs in once."""
    token = secrets.token_urlsafe(32)
    connection.execute("INSERT INTO console_link VALUES (%s, %s, %s)", [_hash(token), login, until])
    return token


def use_link(connection: Connection, token: str, at: datetime) -> Account | None:
    """The account the link is for; the link is used up."""
    row = connection.execute(
        "DELETE FROM console_link WHERE token = %s RETURNING login, until", [_hash(token)]
    ).fetchone()
    return find_account(connection, row[0]) if row and row[1] > at else None


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()

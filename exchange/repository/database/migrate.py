"""Brings a database to the schema of this version: `migrations/*.sql`, each once, in order of name."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import psycopg

from exchange.model.errors import ContentError

_LOCK = 0x6D6F73616963  # any constant: one migration at a time per database


def migrate(url: str) -> list[str]:
    """Names of the files that were applied now; all of them in one transaction or none.

    Raises ContentError when a file that was already applied has been edited since.
    """
    with psycopg.connect(url) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _prepare(conn)
        done: dict[str, str] = dict(conn.execute("SELECT name, digest FROM migration").fetchall())
        return [name for name, text in _scripts() if _apply(conn, name, text, done.get(name))]


def unapplied(conn: psycopg.Connection) -> list[str]:
    """Names of files that this version has and the database has not, or has otherwise; reads only."""
    found = conn.execute("SELECT to_regclass('migration') IS NOT NULL").fetchone()
    done: dict[str, str] = {}
    if found and found[0]:
        done = dict(conn.execute("SELECT name, digest FROM migration").fetchall())
    return [name for name, text in _scripts() if done.get(name) != _digest(text)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _prepare(conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS migration"
        " (name text PRIMARY KEY, digest text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"
    )


def _scripts() -> list[tuple[str, str]]:
    folder = files("exchange.repository.database") / "migrations"
    return sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))


def _apply(conn: psycopg.Connection, name: str, text: str, applied: str | None) -> bool:
    digest = _digest(text)
    if applied == digest:
        return False
    if applied is not None:
        raise ContentError("an applied migration was edited; write the change as a new file", file=name)
    conn.execute(text)
    conn.execute("INSERT INTO migration (name, digest) VALUES (%s, %s)", (name, digest))
    return True

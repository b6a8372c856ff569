"""What search finds in the stored records, written anew: after a version that indexes other parameters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import psycopg

from exchange.model.fhir import references_in
from exchange.repository.storage import store
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.manner import manner
from exchange.repository.storage.packed import Owner

_BATCH = """
SELECT rid, patient, class, body FROM resource WHERE rid > %s ORDER BY rid LIMIT %s FOR UPDATE
"""
# Shorter than PostgreSQL's deadlock_timeout: of two that wait for each other it is never the other who fails.
_PATIENCE = "SET LOCAL lock_timeout = '500ms'"
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class IndexState:
    """Whether all records are indexed as this version does it, and if not, up to which number they are."""

    whole: bool
    reached: int


def index_state(conn: psycopg.Connection) -> IndexState:
    """As the database tells it; reads only."""
    row = conn.execute("SELECT whole, reached FROM search_index WHERE manner = %s", (manner(),)).fetchone()
    return IndexState(*row) if row else IndexState(False, 0)


def note_empty_index(conn: psycopg.Connection) -> None:
    """Of a database without records all are indexed as this version does it."""
    conn.execute(
        "INSERT INTO search_index (manner, whole) SELECT %s, true"
        " WHERE NOT EXISTS (SELECT FROM resource) ON CONFLICT (manner) DO UPDATE SET whole = true",
        (manner(),),
    )


def reindex(conn: psycopg.Connection, size: int = 1000, after: int = 0) -> Iterator[int]:
    """Rewrites the index rows of records after a number in batches, each a transaction; yields their sizes.

    Publishing and asking go on meanwhile: a search finds a record by its old rows or by its new ones, and who
    publishes never waits for more than one batch. Whoever is killed half way goes on after `index_state`.
    """
    last = after
    while True:
        try:
            with conn.transaction():
                conn.execute(_PATIENCE)
                number, last = _rewrite(conn, last, size)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(_PAUSE)
            continue
        if not number:
            return
        yield number


def _rewrite(conn: psycopg.Connection, last: int, size: int) -> tuple[int, int]:
    """How many records came after the last one, and the number of the last of them."""
    rows = conn.execute(_BATCH, (last, size)).fetchall()
    found = [
        (Owner(rid, patient, class_), index_rows(orjson.loads(body), references_in(body)))
        for rid, patient, class_, body in rows
    ]
    store.rewrite_index(conn, found)
    reached = rows[-1][0] if rows else last
    conn.execute("DELETE FROM search_index WHERE manner <> %s", (manner(),))
    conn.execute(
        "INSERT INTO search_index (manner, reached, whole) VALUES (%s, %s, %s) ON CONFLICT (manner)"
        " DO UPDATE SET reached = EXCLUDED.reached, whole = search_index.whole OR EXCLUDED.whole",
        (manner(), reached, not rows),
    )
    if not rows:
        conn.execute("UPDATE reference_told SET since = 0")
    return len(rows), reached

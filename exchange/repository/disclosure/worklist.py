"""A worklist read in stretches: what waits from its oldest entry on, what is decided from its newest back."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

import psycopg

from exchange.model.errors import Conflict


def stretch_of(key: str, decided: bool) -> str:
    """The conditions and the order of a stretch after the entry %(after)s, along the table's own indexes.

    >>> stretch_of("entry", False)
    'decision IS NULL AND entry > coalesce(%(after)s, 0) ORDER BY entry'
    """
    if decided:
        last = "9223372036854775807"
        return f"decision IS NOT NULL AND {key} < coalesce(%(after)s, {last}) ORDER BY {key} DESC"
    return f"decision IS NULL AND {key} > coalesce(%(after)s, 0) ORDER BY {key}"


def decide_entry(
    conn: psycopg.Connection,
    table: LiteralString,
    entry: int,
    decision: str,
    reason: str,
    officer: str,
    at: datetime,
    listed_by: str,
) -> None:
    """An officer's decision on an entry that waits, once; raises Conflict, naming the command `listed_by`."""
    done = conn.execute(
        f"UPDATE {table} SET decision = %s, reason = %s, decided_by = %s, decided = %s"
        " WHERE entry = %s AND decision IS NULL",
        [decision, reason, officer, at, entry],
    )
    if not done.rowcount:
        raise Conflict(f"entry {entry} does not wait for a decision; list those that do: {listed_by}")

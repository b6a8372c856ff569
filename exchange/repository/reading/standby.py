"""Whether a hot standby has replayed what was committed: before that it shows what holds no longer."""

from __future__ import annotations

from typing import NamedTuple

import psycopg


class LogEnd(NamedTuple):
    """Where a primary's log ends; positions in the logs of two systems or two timelines do not compare."""

    system: int
    timeline: int
    lsn: str


def log_end(conn: psycopg.Connection) -> LogEnd:
    """The end of the primary's log: everything that is visible there was written before it."""
    row = conn.execute("SELECT system, timeline, lsn::text FROM log_end()", prepare=True).fetchone()
    if row is None:
        raise psycopg.InternalError("log_end() returned nothing")
    return LogEnd(*row)


def has_replayed(conn: psycopg.Connection, end: LogEnd, seconds: float) -> bool | None:
    """Whether this standby has come as far, waiting `seconds` at most; None when it follows no such log.

    Only a snapshot taken after this shows all of it.
    """
    row = conn.execute(
        "SELECT has_replayed(%s, %s, %s::pg_lsn, make_interval(secs => %s))", (*end, seconds), prepare=True
    ).fetchone()
    return row[0] if row else None

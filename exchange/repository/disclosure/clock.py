"""The exchange's time never runs backwards: what ended by itself does not begin again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg

from exchange.model.errors import DecisionFailed

_LONGEST_WORK = timedelta(hours=1)
_RUNS_BACKWARDS = "MX001"  # raised by advance_clock()


class ClockRunsBackwards(DecisionFailed):
    """This machine's clock is behind an instant that was decided at before: nothing is shown or stored."""

    retry = "retry"
    http_status = 503
    issue_code = "transient"


@contextmanager
def forwards_only() -> Iterator[None]:
    """Names the error of statements that call advance_clock()."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate != _RUNS_BACKWARDS:
            raise
        raise ClockRunsBackwards(
            f"{error.diag.message_primary}; put the clock right, or, if it was wrong before,"
            " accept it with `exchange database clock --accept`"
        ) from None


def advance_clock(conn: psycopg.Connection, at: datetime) -> None:
    """Takes note of `at`, also if the transaction fails later; raises ClockRunsBackwards."""
    with forwards_only():
        conn.execute("SELECT advance_clock(%s)", (at,))


def not_long_before(conn: psycopg.Connection, at: datetime) -> None:
    """The same for work that takes its time: other work, begun later, may have gone on meanwhile.

    What is stored is decided for the time from `at` on, so an instant of a while ago opens nothing.
    """
    latest = latest_instant(conn)
    advance_clock(conn, max(at, latest) if latest - at < _LONGEST_WORK else at)


SETTLED = (
    "(SELECT greatest(%(at)s, to_timestamp(last_value / 1000.0) + interval '1001 ms') FROM latest_instant)"
)
"""SQL: `at`, or the first moment at which all that is decided holds; the sequence lags behind by a second.

Of work that began before other work ended, and decided: what that may hold would count as forbidden at `at`.
"""


def latest_instant(conn: psycopg.Connection) -> datetime:
    """The latest instant anything was decided at; 1970 when nothing was."""
    row = conn.execute("SELECT last_value FROM latest_instant").fetchone()
    return datetime.fromtimestamp((row[0] if row else 0) / 1000, UTC)


def accept_clock(conn: psycopg.Connection, at: datetime) -> None:
    """Lets time go on from `at`, after a clock that was ahead has been put right."""
    conn.execute("SELECT setval('latest_instant', %s)", (int(at.timestamp() * 1000),))

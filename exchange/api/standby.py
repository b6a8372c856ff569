"""Reading at a hot standby, where there is one that has caught up; the primary answers whenever it has not.

What is read there is recorded at the primary, in the transaction in which the token was found to stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from time import monotonic

import psycopg
from psycopg_pool import ConnectionPool

from exchange.api.metrics import StandbyMetrics
from exchange.model.audit import Giving
from exchange.model.errors import ExchangeError
from exchange.repository import ClockRunsBackwards, Reader, has_replayed, log_end, reader

_LENT_SECONDS = 0.25
_REST = {"behind": 1.0, "conflict": 0.0, "unreachable": 5.0, "another": 10.0, "clock": 10.0, "broken": 10.0}
"""Seconds that it is left alone, by why it could not answer, so that not every request waits for it."""


class NotAtStandby(ExchangeError):
    """The standby cannot answer this; the primary can, and nothing is recorded yet."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the standby cannot answer: {reason}")


@dataclass(slots=True)
class Standby:
    """Connections that `read_only` made, and how it fares; a request waits `seconds` for it at most."""

    pool: ConnectionPool[psycopg.Connection]
    seconds: float = 0.1
    metrics: StandbyMetrics = field(default_factory=StandbyMetrics)
    rests_until: float = 0.0

    def may_be_asked(self) -> bool:
        """Whether it could answer the last time, or was left alone long enough since."""
        return monotonic() >= self.rests_until

    def could_not(self, reason: str) -> None:
        """Counts that, and leaves it alone for a while."""
        self.metrics.left.labels(reason).inc()
        self.rests_until = max(self.rests_until, monotonic() + _REST[reason])


def read_only(conn: psycopg.Connection) -> None:
    """Every transaction of this connection sees one instant; what is asked outside of one sees its own."""
    conn.autocommit = True
    conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    conn.read_only = True


@contextmanager
def seen_at(
    standby: Standby, view: Reader, scope: str, seconds: int, action: Giving = "access"
) -> Iterator[Reader]:
    """The same viewer's view of the same instant, read at the standby and recorded where `view` is.

    No statement there takes longer than `seconds`, if that is not 0. Raises NotAtStandby, also while it is
    read.
    """
    end = log_end(view.conn)
    try:
        with standby.pool.connection(_LENT_SECONDS) as conn:
            with standby.metrics.waits.time():
                reached = has_replayed(conn, end, standby.seconds)
            if not reached:
                raise NotAtStandby("another" if reached is None else "behind")
            with reader(_Lent(conn), view.viewer, view.at, scope, action) as there:
                if not _is_of_instant(there, seconds):
                    raise NotAtStandby("clock")
                yield replace(there, recorder=view.conn)
    except ClockRunsBackwards:
        raise NotAtStandby("clock") from None
    except psycopg.errors.UndefinedFunction:
        raise NotAtStandby("another") from None
    except psycopg.errors.QueryCanceled:
        raise  # the primary would take as long
    except psycopg.OperationalError as error:
        in_the_way = (error.sqlstate or "").startswith("40")  # of what it replays
        raise NotAtStandby("conflict" if in_the_way else "unreachable") from None
    except psycopg.InternalError:
        raise NotAtStandby("broken") from None
    standby.metrics.reads.labels("standby").inc()


@dataclass(frozen=True, slots=True)
class _Lent:
    """A pool of one connection, which somebody lent already."""

    conn: psycopg.Connection

    def connection(self) -> AbstractContextManager[psycopg.Connection]:
        return nullcontext(self.conn)


def _is_of_instant(there: Reader, seconds: int) -> bool:
    """Whether this server's clock lets the view be of the instant it was opened for."""
    row = there.conn.execute(
        "SELECT current_instant() = %s, set_config('statement_timeout', %s, true)",
        (there.at, f"{seconds}s"),
        prepare=True,
    ).fetchone()
    return bool(row and row[0])

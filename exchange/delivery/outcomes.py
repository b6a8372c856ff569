"""What becomes of a delivery after an attempt: closed, parked, or tried again later, without end."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from exchange.delivery.acknowledgement import Verdict
from exchange.delivery.events import Due, events_of
from exchange.delivery.parcel import Parcel
from exchange.delivery.receipts import Outcome, answer_receipt
from exchange.delivery.subscriptions import Subscription, find_subscription
from exchange.model.errors import Conflict

_FIRST, _LONGEST = 5.0, 3600.0
_RECEIPTS: Mapping[str, Outcome] = {
    "acknowledged": "acknowledged",
    "refused": "refused",
    "failed": "unanswered",
}


def next_due(conn: psycopg.Connection, subscription: Subscription, at: datetime) -> Due | None:
    """The oldest delivery of a subscription whose time has come; who asks holds the destination's lock."""
    row = conn.execute(
        "SELECT delivery, attempts + 1 FROM delivery"
        " JOIN subscription s USING (subscription)"
        " WHERE subscription = %s AND state = 'open' AND next_attempt <= %s AND s.paused IS NULL"
        " AND s.ended IS NULL AND coalesce(s.not_before <= %s, true)"
        " AND coalesce((s.resource ->> 'end')::timestamptz > %s, true)"
        " ORDER BY next_attempt, created LIMIT 1",
        (subscription.number, at, at, at),
    ).fetchone()
    if row is None:
        return None
    return Due(row[0], subscription, row[1], events_of(conn, row[0]))


def close_untold(conn: psycopg.Connection, due: Due, at: datetime) -> None:
    """There is nothing this recipient may be told now."""
    _end(conn, due.delivery, "nothing", None, at)


def close(conn: psycopg.Connection, due: Due, parcel: Parcel, verdict: Verdict, at: datetime) -> None:
    """Notes the verdict in the receipt and closes, parks or puts off the delivery, in one transaction.

    It need not outlive a power cut: what is not noted is sent again under the same key.
    """
    conn.execute("SET LOCAL synchronous_commit = off")
    outcome = _RECEIPTS[verdict.kind]
    answer_receipt(conn, due.delivery, parcel.content, outcome, verdict.detail, at)
    if verdict.kind == "acknowledged":
        _end(conn, due.delivery, "acknowledged", None, at)
        conn.execute(
            "UPDATE subscription SET not_before = NULL, spoken = %s, problem = NULL WHERE subscription = %s",
            (at, due.subscription.number),
        )
    elif verdict.kind == "refused":
        _end(conn, due.delivery, "parked", verdict.detail, at)
    else:
        put_off(conn, due, verdict, at)


def _end(conn: psycopg.Connection, delivery: UUID, state: str, problem: str | None, at: datetime) -> None:
    conn.execute(
        "UPDATE delivery SET state = %s, problem = %s, ended = %s, attempts = attempts + 1"
        " WHERE delivery = %s",
        (state, problem, at, delivery),
    )


def put_off(conn: psycopg.Connection, due: Due, verdict: Verdict, at: datetime) -> None:
    """It is tried again later, and where the whole destination failed nothing else goes there before."""
    until = at + timedelta(seconds=max(back_off(due.attempts, random.random()), verdict.wait or 0))  # noqa: S311
    conn.execute(
        "UPDATE delivery SET next_attempt = %s, problem = %s, attempts = attempts + 1 WHERE delivery = %s",
        (until, verdict.detail, due.delivery),
    )
    if verdict.whole:
        conn.execute(
            "UPDATE subscription SET not_before = %s WHERE subscription = %s",
            (until, due.subscription.number),
        )


def back_off(attempts: int, chance: float) -> float:
    """Seconds to wait after so many attempts: doubled each time up to an hour, by `chance` up to a half less.

    >>> [back_off(attempts, 0.0) for attempts in (1, 2, 10, 500)]
    [5.0, 10.0, 2560.0, 3600.0]
    >>> back_off(1, 1.0), back_off(500, 1.0)
    (2.5, 1800.0)
    """
    return float(min(_LONGEST, _FIRST * 2.0 ** min(attempts - 1, 30)) * (1 - chance / 2))


@dataclass(frozen=True, slots=True)
class Standing:
    """One delivery as an operator sees it: no content, `topics` of its events."""

    delivery: UUID
    code: str
    state: str
    created: datetime
    attempts: int
    next_attempt: datetime
    problem: str | None
    topics: list[str]


def standings(conn: psycopg.Connection, states: Sequence[str], most: int = 200) -> list[Standing]:
    """The newest deliveries in these states."""
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(
            "SELECT d.delivery, s.participant || '/' || s.name AS code, d.state, d.created, d.attempts,"
            " d.next_attempt, d.problem, ARRAY(SELECT DISTINCT topic FROM delivery_event e"
            "  WHERE e.delivery = d.delivery ORDER BY topic) AS topics"
            " FROM delivery d JOIN subscription s USING (subscription) WHERE d.state = ANY(%s)"
            " ORDER BY d.created DESC, d.delivery LIMIT %s",
            (list(states), most),
        ).fetchall()


def replay(conn: psycopg.Connection, code: str, delivery: UUID | None, at: datetime) -> int:
    """Parked deliveries of a destination, or one of them, wait to be gathered anew, decided anew, sent anew.

    Returns the events that wait again; raises ContentError or Conflict.
    """
    found = find_subscription(conn, code)
    rows = conn.execute(
        "UPDATE delivery SET state = 'replayed', ended = %s WHERE state = 'parked' AND subscription = %s"
        " AND (%s::uuid IS NULL OR delivery = %s) RETURNING delivery",
        (at, found.number, delivery, delivery),
    ).fetchall()
    if delivery is not None and not rows:
        raise Conflict("no such delivery is parked; list those that are: exchange delivery parked")
    return conn.execute(
        "UPDATE delivery_event SET delivery = NULL WHERE delivery = ANY(%s)", ([row[0] for row in rows],)
    ).rowcount

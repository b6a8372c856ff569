"""A delivery of limited size is filled with what its recipient may be told: its size tells nothing else.

Were events counted before it is known which of them are told, a short notification while more wait would say
that something was left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import psycopg

from exchange.delivery.events import Due, Event, events_of
from exchange.delivery.parcel import Office
from exchange.delivery.told import read_as, viewer_of
from exchange.repository import Lent, reader


def filled(conn: psycopg.Connection, due: Due, office: Office) -> Due:
    """With as many told events as the subscription wants at a time, if so many wait, and with no more.

    What was sent once stays as it is.
    """
    most = due.subscription.delivery.max_count
    if most is None or _sent(conn, due):
        return due
    told = _told(conn, due, office, office.now())
    while len(told) < most and _take(conn, due, max(most, len(due.events))):
        due = replace(due, events=events_of(conn, due.delivery))
        told = _told(conn, due, office, office.now())
    if len(told) <= most:
        return due
    last = told[most - 1].event
    conn.execute(
        "UPDATE delivery_event SET delivery = NULL WHERE delivery = %s AND event > %s", (due.delivery, last)
    )
    return replace(due, events=tuple(event for event in due.events if event.event <= last))


def _sent(conn: psycopg.Connection, due: Due) -> bool:
    return conn.execute("SELECT FROM receipt WHERE delivery = %s LIMIT 1", (due.delivery,)).rowcount > 0


def _told(conn: psycopg.Connection, due: Due, office: Office, at: datetime) -> Sequence[Event]:
    with reader(Lent(conn), viewer_of(due), at, due.subscription.scope, "disclose") as view:
        return read_as(view, due, office.context, at).events


def _take(conn: psycopg.Connection, due: Due, number: int) -> int:
    """The oldest that wait as these did join them; returns how many."""
    return conn.execute(
        "UPDATE delivery_event e SET delivery = %(delivery)s FROM ("
        " SELECT w.subscription, w.event FROM delivery d JOIN subscription s USING (subscription)"
        " JOIN delivery_event w USING (subscription)"
        " WHERE d.delivery = %(delivery)s AND w.delivery IS NULL"
        "  AND (s.facts ->> 'every' <> 'at-once' OR w.person IS NOT DISTINCT FROM d.person)"
        " ORDER BY w.event LIMIT %(number)s) t"
        " WHERE (e.subscription, e.event) = (t.subscription, t.event)",
        {"delivery": due.delivery, "number": number},
    ).rowcount

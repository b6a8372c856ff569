"""Notices that wait on a page: for organizations without a system of their own, fetched once by who signs in.

The worker only looks whether there is something to tell. What is told is read, decided and recorded when it
is fetched, and not before; who comes too late finds nothing, and an operator can let it wait again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from exchange.connectors.channels import DownloadOptions
from exchange.delivery.acknowledgement import Verdict
from exchange.delivery.composing import compose
from exchange.delivery.events import Due, events_of
from exchange.delivery.outcomes import close, close_untold
from exchange.delivery.parcel import Office, Parcel
from exchange.delivery.subscriptions import subscriptions
from exchange.delivery.told import read_as, viewer_of
from exchange.delivery.withholding import write_withheld
from exchange.repository import Lent, reader

FETCHED = "fetched by "
"""With the login of who fetched it: the answer of a notice that waited on a page."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A notice that waits; of what is in it nothing is said before it is fetched."""

    delivery: UUID
    name: str
    form: str
    since: datetime
    expires: datetime


def offer(conn: psycopg.Connection, due: Due, office: Office, options: DownloadOptions) -> bool:
    """Lets a delivery wait to be fetched, if there is something to tell now; else it is closed."""
    at = office.now()
    subscription = due.subscription
    with reader(Lent(conn), viewer_of(due), at, subscription.scope, "disclose") as view:
        told = read_as(view, due, office.context, at)
        write_withheld(conn, due.delivery, told.withheld, at)
        if not told.events:
            close_untold(conn, due, at)
            return False
        conn.execute(
            "UPDATE delivery SET state = 'ready', expires = %s, attempts = attempts + 1 WHERE delivery = %s",
            (at + timedelta(days=options.days), due.delivery),
        )
    return True


def end_expired(conn: psycopg.Connection, subscription: int, at: datetime) -> int:
    """Parks what nobody fetched in time; returns how many."""
    return conn.execute(
        "UPDATE delivery SET state = 'parked', ended = %s, problem = 'was not fetched in time'"
        " WHERE subscription = %s AND state = 'ready' AND expires <= %s",
        (at, subscription, at),
    ).rowcount


def ready(conn: psycopg.Connection, participant: str, at: datetime) -> list[Ready]:
    """What waits for a participant, the oldest first."""
    rows = conn.execute(
        "SELECT d.delivery, s.name, s.facts ->> 'form', d.created, d.expires FROM delivery d"
        " JOIN subscription s USING (subscription)"
        " WHERE s.participant = %s AND s.ended IS NULL AND d.state = 'ready' AND d.expires > %s"
        " ORDER BY d.created, d.delivery",
        (participant, at),
    ).fetchall()
    return [Ready(*row) for row in rows]


def fetch(
    conn: psycopg.Connection, office: Office, participant: str, delivery: UUID, login: str
) -> Parcel | None:
    """The notice, once; None: there is no such one (any more), or nothing that may be told now.

    One transaction reads, decides, records and closes: it is committed before this returns.
    """
    at = office.now()
    with conn.transaction():
        row = conn.execute(
            "SELECT d.subscription FROM delivery d JOIN subscription s USING (subscription)"
            " WHERE d.delivery = %s AND s.participant = %s AND d.state = 'ready' AND d.expires > %s"
            " FOR UPDATE OF d",
            (delivery, participant, at),
        ).fetchone()
        found = next((s for s in subscriptions(conn) if row and s.number == row[0]), None)
        if found is None:
            return None
        due = Due(delivery, found, 1, events_of(conn, delivery))
        parcel = compose(conn, due, office)
        if parcel is None:
            close_untold(conn, due, at)
            return None
        close(conn, due, parcel, Verdict("acknowledged", FETCHED + login), at)
        conn.execute("SET LOCAL synchronous_commit = on")
    return parcel

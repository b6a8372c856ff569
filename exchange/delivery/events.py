"""What one delivery is about: its events, its subscription, and which of them its recipient may be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from exchange.delivery.subscriptions import Subscription
from exchange.repository import Wanted


@dataclass(frozen=True, slots=True)
class Event:
    """One row of `delivery_event`: ids and kinds; `person`: the source Patient it is about."""

    event: int
    topic: str
    at: datetime
    type: str
    fhir_id: UUID
    rendition: int
    patient: int | None
    other: int | None
    person: UUID | None

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.type, self.fhir_id, self.rendition)

    @property
    def pair(self) -> tuple[int, int] | None:
        """The patients of a person merged or split."""
        if self.patient is None or self.other is None:
            return None
        return self.patient, self.other


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be tried now; `attempts` counts this one."""

    delivery: UUID
    subscription: Subscription
    attempts: int
    events: tuple[Event, ...]


def events_of(conn: psycopg.Connection, delivery: UUID) -> tuple[Event, ...]:
    """The events a delivery tells, in the order in which they happened."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        found = cursor.execute(
            "SELECT event, topic, at, type, fhir_id, rendition, patient, other, person FROM delivery_event"
            " WHERE delivery = %s ORDER BY event",
            (delivery,),
        )
        return tuple(found.fetchall())


def number_events(conn: psycopg.Connection, due: Due, events: Sequence[Event]) -> dict[int, int]:
    """The number each event is told under; those that have none yet get the subscription's next."""
    asked = {"subscription": due.subscription.number, "events": [event.event for event in events]}
    conn.execute(_NUMBER, asked)
    rows = conn.execute(
        "SELECT event, number FROM delivery_event"
        " WHERE subscription = %(subscription)s AND event = ANY(%(events)s)",
        asked,
    ).fetchall()
    return dict(rows)


_NUMBER = """
WITH fresh AS (
    SELECT event, row_number() OVER (ORDER BY event) AS place FROM delivery_event
    WHERE subscription = %(subscription)s AND event = ANY(%(events)s) AND number IS NULL
), counted AS (
    UPDATE subscription SET notifications = notifications + (SELECT count(*) FROM fresh)
    WHERE subscription = %(subscription)s AND EXISTS (SELECT FROM fresh)
    RETURNING notifications - (SELECT count(*) FROM fresh) AS before
)
UPDATE delivery_event e SET number = c.before + f.place FROM fresh f, counted c
WHERE e.subscription = %(subscription)s AND e.event = f.event
"""

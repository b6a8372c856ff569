"""Recalls: the exact list of what went out wrongly, a Task to each recipient, until each is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from exchange.audit import append, decide_once, officer_entries
from exchange.delivery.affected import Sent
from exchange.delivery.subscriptions import Subscription, subscriptions
from exchange.model.delivery import Rhythm

Kind = Literal["revocation", "wrong-link", "late-label", "source-error"]
_RHYTHMS = get_args(Rhythm)
Outcome = Literal["destroyed", "returned", "corrected", "refused", "not-held"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is recalled; `what`: Type/id of what caused it; `reason` in the officer's words."""

    kind: Kind
    what: str
    officer: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecallTask:
    """What one recipient is asked; `sent`: state of the delivery of the Task, None: he has no deliveries."""

    task: UUID
    recall: int
    kind: Kind
    cause: str
    participant: str
    opened: datetime
    items: int
    sent: str | None
    outcome: Outcome | None
    closed: datetime | None
    closed_by: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One record one recipient is asked to give up or correct."""

    participant: str
    purpose: str
    record: str
    about: UUID | None
    events: list[int]
    receipts: list[int]


def open_recall(conn: psycopg.Connection, cause: Cause, affected: Sequence[Sent], at: datetime) -> int | None:
    """Writes the recall with its list and a Task for each recipient; None when nobody got anything.

    Each Task waits as an event for the recipient's own deliveries; the caller commits.
    """
    if not affected:
        return None
    row = conn.execute(
        "INSERT INTO recall (kind, cause, opened, opened_by, reason) VALUES (%s, %s, %s, %s, %s)"
        " RETURNING recall",
        (cause.kind, cause.what, at, cause.officer, cause.reason),
    ).fetchone()
    number = int(row[0]) if row else 0
    _write_items(conn, number, affected)
    ways = _ways(conn)
    for participant in sorted({one.viewer.participant for one in affected}):
        task = uuid4()
        conn.execute(
            "INSERT INTO recall_task (task, recall, participant) VALUES (%s, %s, %s)",
            (task, number, participant),
        )
        if participant in ways:
            _announce(conn, task, ways[participant], at)
    people = sorted({one.about for one in affected if one.about})
    append(conn, officer_entries("recall.opened", cause.officer, cause.reason, people, at))
    return number


def _write_items(conn: psycopg.Connection, recall: int, affected: Sequence[Sent]) -> None:
    deliveries = [d.delivery for one in affected for d in one.disclosures if d.delivery]
    receipts: dict[str, list[int]] = {}
    for delivery, receipt in conn.execute(
        "SELECT delivery::text, receipt FROM receipt WHERE delivery = ANY(%s::uuid[]) ORDER BY receipt",
        (deliveries,),
    ):
        receipts.setdefault(delivery, []).append(receipt)
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO recall_item (recall, participant, role, purpose, record, about, events, receipts)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (recall, participant, role, purpose, record) DO UPDATE SET"
            "  events = recall_item.events || excluded.events,"
            "  receipts = recall_item.receipts || excluded.receipts",
            [
                (
                    recall,
                    one.viewer.participant,
                    one.viewer.role,
                    one.viewer.purpose,
                    one.record,
                    one.about,
                    one.events,
                    sorted({r for d in one.disclosures for r in receipts.get(d.delivery or "", ())}),
                )
                for one in affected
            ],
        )


def _ways(conn: psycopg.Connection) -> dict[str, Subscription]:
    """By participant, the quickest of its deliveries in force that carries whole resources, one at rest last.

    Where notifications name records or nothing at all a Task would reach nobody, and he is asked by hand.
    """
    able = [
        one
        for one in subscriptions(conn)
        if one.status == "active"
        and (one.delivery.form, one.delivery.content) == ("fhir", "full-resource")
        and one.delivery.channel.type != "mllp"
    ]
    found: dict[str, Subscription] = {}
    for one in sorted(able, key=lambda s: (s.paused is not None, _RHYTHMS.index(s.delivery.every), s.name)):
        found.setdefault(one.participant, one)
    return found


def _announce(conn: psycopg.Connection, task: UUID, way: Subscription, at: datetime) -> None:
    conn.execute(
        "INSERT INTO delivery_event (subscription, event, topic, at, type, fhir_id, rendition)"
        " VALUES (%s, nextval(pg_get_serial_sequence('outbox', 'event')), 'recall', %s, 'Task', %s, 0)",
        (way.number, at, task),
    )


_TASKS = """
SELECT t.task, t.recall, r.kind, r.cause, t.participant, r.opened, t.outcome, t.closed, t.closed_by, t.note,
    (SELECT count(*)::int FROM recall_item i
     WHERE (i.recall, i.participant) = (t.recall, t.participant)) AS items,
    (SELECT coalesce(d.state, 'waiting') FROM delivery_event e LEFT JOIN delivery d USING (delivery)
     WHERE e.topic = 'recall' AND e.fhir_id = t.task LIMIT 1) AS sent
FROM recall_task t JOIN recall r USING (recall)
WHERE (%(recall)s::bigint IS NULL OR t.recall = %(recall)s) AND (%(closed)s OR t.outcome IS NULL)
ORDER BY t.recall, t.participant
"""


def tasks(conn: psycopg.Connection, recall: int | None = None, closed: bool = False) -> list[RecallTask]:
    """Open ones, or all; of one recall or of all."""
    with conn.cursor(row_factory=class_row(RecallTask)) as cursor:
        return cursor.execute(_TASKS, {"recall": recall, "closed": closed}).fetchall()


def items(conn: psycopg.Connection, recall: int, participant: str | None = None) -> list[Item]:
    """The exact list of a recall, of one recipient or of all."""
    with conn.cursor(row_factory=class_row(Item)) as cursor:
        return cursor.execute(
            "SELECT participant, purpose, record, about, events, receipts FROM recall_item"
            " WHERE recall = %(r)s AND (%(p)s::text IS NULL OR participant = %(p)s)"
            " ORDER BY participant, purpose, record",
            {"r": recall, "p": participant},
        ).fetchall()


def close_task(
    conn: psycopg.Connection, task: UUID, outcome: Outcome, officer: str, note: str, at: datetime
) -> None:
    """What the recipient did, or would not do; it stands. Raises Conflict for one that is not open."""
    recall, participant = decide_once(
        conn,
        "UPDATE recall_task SET outcome = %s, closed = %s, closed_by = %s, note = %s"
        " WHERE task = %s AND outcome IS NULL RETURNING recall, participant",
        (outcome, at, officer, note, task),
        "no such Task is open; list those that are: exchange recall list",
    )
    people = sorted({str(item.about) for item in items(conn, recall, participant) if item.about})
    append(conn, officer_entries("recall.closed", officer, f"{outcome}: {note}", people, at))

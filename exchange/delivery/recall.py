"""Recalls: the exact list of what went out wrongly, a Task to each recipient, until each is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from exchange.audit import append, decide_once, officer_entries
from exchange.delivery.affected import Sent

Kind = Literal["revocation", "wrong-link", "late-label", "source-error"]
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
    for participant in sorted({one.viewer.participant for one in affected}):
        task = uuid4()
        conn.execute(
            "INSERT INTO recall_task (task, recall, participant) VALUES (%s, %s, %s)",
            (task, number, participant),
        )
        _announce(conn, task, participant, at)
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


def _announce(conn: psycopg.Connection, task: UUID, participant: str, at: datetime) -> None:
    """The Task goes the quickest way of the recipient's own that carries whole resources, if he has any.

    Where notifications name records or nothing at all it would not reach him, and he is asked by hand.
    """
    conn.execute(
        "WITH way AS (SELECT subscription FROM subscription WHERE participant = %(p)s AND ended IS NULL"
        "  AND status = 'active'"
        "  AND facts ->> 'form' = 'fhir' AND facts #>> '{channel,type}' <> 'mllp'"
        "  AND facts ->> 'content' = 'full-resource'"
        "  ORDER BY array_position('{at-once,hourly,nightly}', facts ->> 'every'), name LIMIT 1)"
        " INSERT INTO delivery_event (subscription, event, topic, at, type, fhir_id, rendition)"
        " SELECT subscription, nextval(pg_get_serial_sequence('outbox', 'event')), 'recall', %(at)s, 'Task',"
        "  %(task)s, 0 FROM way",
        {"p": participant, "at": at, "task": task},
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

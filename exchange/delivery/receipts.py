"""Receipts: who got which version of what, when, why, by whose word, and whether he says he has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange.delivery.events import Due
from exchange.delivery.told import Told, source_ids
from exchange.delivery.withholding import by_category
from exchange.repository import Served

Outcome = Literal["acknowledged", "refused", "unanswered"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One content that one delivery gave to its recipient; `items` are `Type/id@version`."""

    receipt: int
    delivery: UUID
    participant: str
    name: str
    purpose: str
    at: datetime
    because: list[str]
    obligations: list[str]
    consents: list[str]
    rules_digest: str
    withheld: dict[str, int]
    outcome: Outcome | None
    answered: datetime | None
    detail: str | None
    items: list[str]


def write_receipt(
    conn: psycopg.Connection,
    due: Due,
    told: Told,
    items: Sequence[Served],
    sent: tuple[bytes, datetime, str],
) -> bool:
    """Notes what is about to leave; False when this delivery gave the very same before.

    `sent`: digest of the content, the time, digest of the rules.
    """
    content, at, rules = sent
    delivery = due.subscription.delivery
    row = conn.execute(
        "INSERT INTO receipt (delivery, participant, role, purpose, at, content, because, obligations,"
        " consents, rules_digest, withheld) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (delivery, content) DO NOTHING RETURNING receipt",
        (
            due.delivery,
            due.subscription.participant,
            delivery.role,
            delivery.purpose,
            at,
            content,
            list(told.chosen.terms.because),
            list(told.chosen.terms.obligations),
            list(told.consents),
            rules,
            Jsonb(dict(by_category(told.withheld))),
        ),
    ).fetchone()
    if row is None:
        return False
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO receipt_item (receipt, type, fhir_id, version, about, classes, sources)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(row[0], *_item(served)) for served in items],
        )
    return True


def first_sent(conn: psycopg.Connection, delivery: UUID, content: bytes) -> datetime | None:
    """When this delivery was first put together with this content."""
    row = conn.execute(
        "SELECT at FROM receipt WHERE (delivery, content) = (%s, %s)", (delivery, content)
    ).fetchone()
    return row[0] if row else None


def _item(served: Served) -> tuple[Any, ...]:
    golden = served.type == "Patient" and served.person is not None
    sources = [UUID(key) for key in source_ids(served)] if golden else []
    about = UUID(served.about) if served.about else None
    return served.type, UUID(served.id), served.version, about, sorted(served.classes), sources


def answer_receipt(
    conn: psycopg.Connection, delivery: UUID, content: bytes, outcome: Outcome, detail: str, at: datetime
) -> None:
    """What the recipient said of it; an acknowledgement is never taken back by a later silence."""
    conn.execute(
        "UPDATE receipt SET outcome = %s, detail = %s, answered = %s WHERE (delivery, content) = (%s, %s)"
        " AND outcome IS DISTINCT FROM 'acknowledged'",
        (outcome, detail, at, delivery, content),
    )


def receipts(conn: psycopg.Connection, participant: str | None = None, most: int = 100) -> list[Receipt]:
    """The newest receipts, of one participant or of all."""
    with conn.cursor(row_factory=class_row(Receipt)) as cursor:
        return cursor.execute(
            "SELECT r.receipt, r.delivery, r.participant, s.name, r.purpose, r.at, r.because, r.obligations,"
            " r.consents, r.rules_digest, r.withheld, r.outcome, r.answered, r.detail,"
            " ARRAY(SELECT i.type || '/' || i.fhir_id || '@' || i.version FROM receipt_item i"
            "  WHERE i.receipt = r.receipt ORDER BY 1) AS items"
            " FROM receipt r JOIN delivery d USING (delivery) JOIN subscription s USING (subscription)"
            " WHERE %(p)s::text IS NULL OR r.participant = %(p)s ORDER BY r.receipt DESC LIMIT %(n)s",
            {"p": participant, "n": most},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Line:
    """A receipt on one line, as its recipient may see it: of what was withheld it says nothing."""

    at: datetime
    name: str
    purpose: str
    records: int
    outcome: str | None


def receipt_lines(conn: psycopg.Connection, participant: str, most: int) -> list[Line]:
    """The newest receipts of a participant."""
    with conn.cursor(row_factory=class_row(Line)) as cursor:
        return cursor.execute(
            "SELECT r.at, s.name, r.purpose, r.outcome,"
            " (SELECT count(*) FROM receipt_item i WHERE i.receipt = r.receipt)::int AS records"
            " FROM receipt r JOIN delivery d USING (delivery) JOIN subscription s USING (subscription)"
            " WHERE r.participant = %s ORDER BY r.receipt DESC LIMIT %s",
            [participant, most],
        ).fetchall()

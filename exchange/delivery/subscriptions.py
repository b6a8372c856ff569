"""Subscriptions as the database keeps them: declared in partner.yaml, paused and resumed by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg
from psycopg.types.json import Jsonb

from exchange.model.delivery import Delivery
from exchange.model.errors import ContentError
from exchange.model.partner import Partner

Status = Literal["requested", "active", "error", "off"]
"""http://hl7.org/fhir/subscription-status; what partner.yaml says is active."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One that is in force; `code` is `<participant>/<name>`.

    `scope` narrows what may be read for it; `client`: who made it by the API; `declared`: `partner.yaml`,
    `api` or `console`.
    """

    number: int
    participant: str
    name: str
    delivery: Delivery
    started: datetime
    paused: datetime | None
    notifications: int
    status: Status = "active"
    scope: str = ""
    client: str | None = None
    declared: str = "partner.yaml"

    @property
    def code(self) -> str:
        return f"{self.participant}/{self.name}"

    @property
    def fhir_id(self) -> str:
        return self.name if self.client else f"{self.participant}.{self.name}"


def register_subscriptions(conn: psycopg.Connection, partners: Mapping[str, Partner], at: datetime) -> None:
    """Brings the table to what the partner.yaml files say; what is gone ends, what is new starts now.

    What was made at the console ends when its participant, or the purpose or role it was made for, is gone.
    """
    declared = {
        (partner.code, name): delivery
        for partner in partners.values()
        for name, delivery in partner.deliveries.items()
    }
    known = {
        (participant, name): (facts, ended)
        for participant, name, facts, ended in conn.execute(
            "SELECT participant, name, facts, ended FROM subscription WHERE declared = 'partner.yaml'"
        )
    }
    for key, delivery in declared.items():
        if known.get(key) != (delivery.model_dump(mode="json"), None):
            _write(conn, key, delivery, at)
    gone = [key for key, (_, ended) in known.items() if ended is None and key not in declared]
    gone += [
        (participant, name)
        for participant, name, purpose, role in conn.execute(
            "SELECT participant, name, facts ->> 'purpose', facts ->> 'role' FROM subscription"
            " WHERE declared = 'console' AND ended IS NULL"
        )
        if not _may_ask(partners.get(participant), purpose, role)
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            "UPDATE subscription SET ended = %s WHERE (participant, name) = (%s, %s)",
            [(at, *key) for key in gone],
        )


def _may_ask(partner: Partner | None, purpose: str, role: str) -> bool:
    return partner is not None and purpose in partner.requests.purposes and role in partner.requests.roles


def _write(conn: psycopg.Connection, key: tuple[str, str], delivery: Delivery, at: datetime) -> None:
    """Taken up again after it had ended, it starts anew: what happened in between is not sent."""
    conn.execute(
        "INSERT INTO subscription (participant, name, declared, facts, topics, started)"
        " VALUES (%s, %s, 'partner.yaml', %s, %s, %s) ON CONFLICT (participant, name) DO UPDATE SET"
        " facts = excluded.facts, topics = excluded.topics, ended = NULL, not_before = NULL,"
        " started = CASE WHEN subscription.ended IS NULL THEN subscription.started ELSE excluded.started END",
        (*key, Jsonb(delivery.model_dump(mode="json")), list(delivery.topics), at),
    )


_SELECT = (
    "SELECT subscription, participant, name, facts, started, paused, notifications, status, scope, client,"
    " declared"
    " FROM subscription WHERE ended IS NULL AND (client IS NULL OR EXISTS ("
    "  SELECT FROM client c WHERE c.client_id = subscription.client AND c.disabled IS NULL"
    "   AND facts ->> 'purpose' = ANY (c.purposes)))"
)


def subscriptions(conn: psycopg.Connection) -> list[Subscription]:
    """Those in force, by participant and name."""
    rows = conn.execute(f"{_SELECT} ORDER BY participant, name").fetchall()
    return [
        Subscription(number, participant, name, Delivery.model_validate(facts), *rest)
        for number, participant, name, facts, *rest in rows
    ]


def find_subscription(conn: psycopg.Connection, code: str) -> Subscription:
    """The one called `<participant>/<name>`; raises ContentError with the valid names."""
    known = {found.code: found for found in subscriptions(conn)}
    if code not in known:
        raise ContentError("no such delivery", field=code, valid=known)
    return known[code]


def pause(conn: psycopg.Connection, code: str, at: datetime | None) -> None:
    """Stops a destination at `at`, or lets it go on (None); what happens meanwhile waits for it."""
    found = find_subscription(conn, code)
    conn.execute(
        "UPDATE subscription SET paused = %s, not_before = NULL WHERE subscription = %s", (at, found.number)
    )


def end_over(conn: psycopg.Connection, at: datetime) -> None:
    """Lets rest what its client wanted until now (`Subscription.end`)."""
    conn.execute(
        "UPDATE subscription SET status = 'off'"
        " WHERE ended IS NULL AND status <> 'off' AND (resource ->> 'end')::timestamptz <= %s",
        (at,),
    )

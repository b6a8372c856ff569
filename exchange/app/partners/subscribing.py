"""Subscriptions that a participant's own people make at the console: theirs, and ended by them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from exchange.app.opening import Exchange
from exchange.app.secrets import load_keyring
from exchange.audit import append, subscription_entry
from exchange.connectors.endpoints import check_endpoint, is_loopback
from exchange.delivery.sealed_headers import seal_headers
from exchange.model.delivery import Delivery
from exchange.model.errors import Conflict, ContentError
from exchange.model.partner import Partner
from exchange.pipeline.ledger import Connection

CHANNELS = ("rest_hook", "fhir", "download")
"""Ways that need nothing set up here. SFTP and MLLP need keys and hosts of ours: partner.yaml."""

_MOST = 20
_HEADER = re.compile(r"[!-~](?:[ -~]{0,3998}[!-~])?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for; `url` and `authorization`, that header, where it is a FHIR endpoint."""

    topics: tuple[str, ...]
    purpose: str
    role: str
    panel: str
    every: str
    channel: str
    content: str = "full-resource"
    form: str = "fhir"
    own_records: bool = False
    url: str = ""
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """One of the participant's subscriptions, whoever declared it.

    `address` is without its query, which may be a secret.
    """

    name: str
    declared: str
    status: str
    problem: str | None
    started: datetime
    topics: list[str]
    purpose: str
    panel: str
    every: str
    channel: str
    address: str


def own_subscriptions(connection: Connection, participant: str) -> list[Own]:
    """Those that have not ended."""
    with connection.cursor(row_factory=class_row(Own)) as cursor:
        return cursor.execute(
            "SELECT name, declared, CASE WHEN paused IS NULL THEN status ELSE 'paused' END AS status,"
            " problem, started, topics, facts ->> 'purpose' AS purpose, facts ->> 'panel' AS panel,"
            " facts ->> 'every' AS every, facts #>> '{channel,type}' AS channel,"
            " CASE WHEN declared = 'partner.yaml' THEN '' ELSE"
            "  split_part(coalesce(facts #>> '{channel,options,url}', ''), '?', 1) END AS address"
            " FROM subscription WHERE participant = %s AND ended IS NULL ORDER BY subscription",
            (participant,),
        ).fetchall()


def subscribe(exchange: Exchange, own: Partner, wish: Wish, login: str) -> str:
    """Keeps it and returns its name; the worker greets who takes notifications before it tells him anything.

    Raises ContentError for what cannot be, Conflict when there are too many.
    """
    name = f"console.{uuid4().hex[:12]}"
    delivery = _delivery(exchange, own, wish, f"{own.code}.{name}")
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('subscription ' || %s, 0))", (own.code,)
        )
        made = sum(one.declared == "console" for one in own_subscriptions(connection, own.code))
        if made >= _MOST:
            raise Conflict(f"there are {_MOST} already; end one")
        connection.execute(
            "INSERT INTO subscription (participant, name, declared, facts, topics, started, status)"
            " VALUES (%s, %s, 'console', %s, %s, %s, %s)",
            (
                own.code, name, Jsonb(delivery.model_dump(mode="json")), list(delivery.topics), at,
                "requested" if wish.channel == "rest_hook" else "active",
            ),
        )  # fmt: skip
        append(connection, [subscription_entry(own.code, login, "C", f"{own.code}/{name}", at)])
        connection.commit()
    return name


def unsubscribe(exchange: Exchange, own: Partner, name: str, login: str) -> None:
    """What waits is not sent; raises Conflict when none of that name was made at the console."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        done = connection.execute(
            "UPDATE subscription SET ended = %s, status = 'off'"
            " WHERE (participant, name) = (%s, %s) AND declared = 'console' AND ended IS NULL",
            (at, own.code, name),
        )
        if not done.rowcount:
            raise Conflict("there is no such subscription of the console")
        append(connection, [subscription_entry(own.code, login, "D", f"{own.code}/{name}", at)])
        connection.commit()


def _delivery(exchange: Exchange, own: Partner, wish: Wish, fhir_id: str) -> Delivery:
    if wish.purpose not in own.requests.purposes:
        raise ContentError("is not one of the agreement", field="purpose", valid=own.requests.purposes)
    if wish.role not in own.requests.roles:
        raise ContentError("is not one of the agreement", field="role", valid=own.requests.roles)
    if wish.channel not in CHANNELS:
        raise ContentError("is not set up at the console", field="channel", valid=CHANNELS)
    options: dict[str, Any] = {}
    if wish.channel != "download":
        check_endpoint(wish.url, is_loopback(exchange.settings.base_url))
        options["url"] = wish.url
        if wish.authorization:
            options["sealed_headers"] = _sealed(exchange, wish.authorization, fhir_id)
    try:
        return Delivery.model_validate(
            {
                "topics": wish.topics, "purpose": wish.purpose, "role": wish.role, "panel": wish.panel,
                "every": wish.every, "content": wish.content, "form": wish.form,
                "own_records": wish.own_records, "channel": {"type": wish.channel, "options": options},
            }
        )  # fmt: skip
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ContentError(str(first["msg"]), field=".".join(map(str, first["loc"])) or "channel") from None


def _sealed(exchange: Exchange, authorization: str, fhir_id: str) -> str:
    if not _HEADER.fullmatch(authorization):
        raise ContentError("must be one line of plain characters", field="authorization")
    headers: Sequence[tuple[str, str]] = [("Authorization", authorization)]
    return seal_headers(headers, load_keyring(exchange.settings.keyring), fhir_id)

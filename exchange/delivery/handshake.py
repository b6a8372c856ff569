"""Notifications without anybody's data: the first of a Subscription asked for by the API, and heartbeats.

http://hl7.org/fhir/uv/subscriptions-backport/notifications.html
"""

from __future__ import annotations

from uuid import uuid4

import psycopg

from exchange.delivery.bundles import Head, notification, standing
from exchange.delivery.channels import Send
from exchange.delivery.parcel import Office, Parcel
from exchange.delivery.subscriptions import Subscription


def shake_hands(conn: psycopg.Connection, subscription: Subscription, send: Send, office: Office) -> str:
    """Sends it, without anybody's data, and notes what came of it: `greeted`, or `not-greeted` and an error.

    A client that asked for something else meanwhile is greeted again.
    """
    verdict = send(_word(subscription, office, "requested", "handshake", 0))
    taken = verdict.kind == "acknowledged"
    conn.execute(
        "UPDATE subscription SET status = %s, problem = %s, spoken = %s"
        " WHERE subscription = %s AND status = 'requested' AND facts -> 'channel' = %s::jsonb",
        (
            "active" if taken else "error",
            None if taken else verdict.detail,
            office.now(),
            subscription.number,
            subscription.delivery.channel.model_dump_json(),
        ),
    )
    return "greeted" if taken else "not-greeted"


HEARTBEAT_DUE = """
s.status = 'active' AND s.facts ->> 'heartbeat_seconds' IS NOT NULL AND coalesce(s.not_before <= %(at)s, true)
AND coalesce(s.spoken, s.started) + make_interval(secs => (s.facts ->> 'heartbeat_seconds')::int) <= %(at)s
"""


def heartbeat(conn: psycopg.Connection, subscription: Subscription, send: Send, office: Office) -> str | None:
    """Says that it is still there where nothing was told for as long as was asked for; None: not due.

    One that is not taken is told in the Subscription, and the next is sent after as long.
    """
    at = office.now()
    row = conn.execute(
        f"SELECT s.notifications FROM subscription s WHERE s.subscription = %(number)s AND {HEARTBEAT_DUE}",
        {"number": subscription.number, "at": at},
    ).fetchone()
    if row is None:
        return None
    verdict = send(_word(subscription, office, "active", "heartbeat", row[0]))
    taken = verdict.kind == "acknowledged"
    conn.execute(
        "UPDATE subscription SET spoken = %s, problem = %s WHERE subscription = %s",
        (at, None if taken else verdict.detail, subscription.number),
    )
    return "heartbeat" if taken else "heartbeat-not-taken"


def _word(subscription: Subscription, office: Office, status: str, kind: str, told: int) -> Parcel:
    key = str(uuid4())
    address = f"{office.base_url}/Subscription/{subscription.fhir_id}"
    topic = subscription.delivery.topics[0]
    said = standing(address, topic, status, kind, told)
    head = Head(key, office.now(), "U", office.base_url)
    body = notification(head, {**said, "id": key}, (), address, full=False)
    return Parcel(key, body, "application/fhir+json", "json", b"")

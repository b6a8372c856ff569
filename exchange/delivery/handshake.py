"""The first notification of a Subscription that was asked for by the API: it is active when it is taken.

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
    key = str(uuid4())
    address = f"{office.base_url}/Subscription/{subscription.fhir_id}"
    said = standing(address, subscription.delivery.topics[0], "requested", "handshake", 0)
    head = Head(key, office.now(), "U", office.base_url)
    body = notification(head, {**said, "id": key}, (), address, full=False)
    verdict = send(Parcel(key, body, "application/fhir+json", "json", b""))
    taken = verdict.kind == "acknowledged"
    conn.execute(
        "UPDATE subscription SET status = %s, problem = %s"
        " WHERE subscription = %s AND status = 'requested' AND facts -> 'channel' = %s::jsonb",
        (
            "active" if taken else "error",
            None if taken else verdict.detail,
            subscription.number,
            subscription.delivery.channel.model_dump_json(),
        ),
    )
    return "greeted" if taken else "not-greeted"

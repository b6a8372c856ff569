"""The Bundles that go out, joined from the bytes of their entries: notification, transaction, collection.

Notifications are those of the Subscriptions R5 Backport for R4: http://hl7.org/fhir/uv/subscriptions-backport
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from exchange.delivery.events import Event
from exchange.model.records import Resource
from exchange.repository import Served

PROFILES = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@dataclass(frozen=True, slots=True)
class Head:
    """What a Bundle says of itself: its id (the idempotency key), when, how confidential the whole is."""

    delivery: str
    at: datetime
    confidentiality: str
    base_url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource that goes out; `body` None: it is to be deleted."""

    type: str
    id: str
    body: bytes | None


def entries(served: Sequence[Served], extra: Sequence[Resource], deleted: Sequence[Event]) -> list[Entry]:
    """Each resource once, those to be deleted first, as a transaction wants it."""
    found = {(e.type, str(e.fhir_id)): Entry(e.type, str(e.fhir_id), None) for e in deleted}
    found |= {(s.type, s.id): Entry(s.type, s.id, s.body) for s in served}
    found |= {(r["resourceType"], r["id"]): Entry(r["resourceType"], r["id"], orjson.dumps(r)) for r in extra}
    return list(found.values())


def transaction(head: Head, found: Sequence[Entry]) -> bytes:
    """Everything under its own id: sent twice it changes nothing."""
    return _bundle(head, "transaction", [_written(head, entry) for entry in found])


def collection(head: Head, found: Sequence[Entry]) -> bytes:
    """For files; what is to be deleted has no place in it and is told in the notification alone."""
    return _bundle(
        head, "collection", [_plain(head, entry, entry.body) for entry in found if entry.body is not None]
    )


def notification(
    head: Head, status: Resource, found: Sequence[Entry], subscription: str, full: bool
) -> bytes:
    """A history Bundle that begins with the status; with `full` the resources come along."""
    first = (
        b'{"fullUrl":'
        + orjson.dumps(f"urn:uuid:{status['id']}")
        + b',"resource":'
        + orjson.dumps(status)
        + b',"request":{"method":"GET","url":'
        + orjson.dumps(f"{subscription}/$status")
        + b'},"response":{"status":"200"}}'
    )
    rest = [_happened(head, entry) for entry in found] if full else []
    return _bundle(head, "history", [first, *rest])


def status(
    head: Head,
    subscription: str,
    numbers: Mapping[int, int],
    events: Sequence[Event],
    foci: Mapping[int, str | None],
) -> Resource:
    """Parameters of the SubscriptionStatus: each event with its number, its time, its topic and its focus.

    Numbers count what this recipient was told, so that none tells of anything else. `foci` is empty where no
    content goes along: then the topic stays untold as well.
    """
    if not foci:
        bare = [happened(numbers[event.event], event.at, None, None) for event in events]
        said = standing(subscription, None, "active", "event-notification", max(numbers.values()))
        return {**said, "id": head.delivery, "parameter": [*said["parameter"], *bare]}
    told = [happened(numbers[event.event], event.at, event.topic, foci[event.event]) for event in events]
    said = standing(subscription, events[0].topic, "active", "event-notification", max(numbers.values()))
    return {**said, "id": head.delivery, "parameter": [*said["parameter"], *told]}


def standing(subscription: str, topic: str | None, status: str, kind: str, since_start: int) -> Resource:
    """A SubscriptionStatus without events; `kind` is a code of subscription-notification-type."""
    return {
        "resourceType": "Parameters",
        "meta": {"profile": [f"{PROFILES}/backport-subscription-status-r4"]},
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": subscription}},
            *([{"name": "topic", "valueCanonical": topic_url(topic)}] if topic else []),
            {"name": "status", "valueCode": status},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(since_start)},
        ],
    }


def topic_url(topic: str) -> str:
    """The canonical of a topic.

    >>> topic_url("admission")
    'urn:mosaic:topic:admission'
    """
    return f"urn:mosaic:topic:{topic}"


def happened(number: int, at: datetime, topic: str | None, focus: str | None) -> dict[str, Any]:
    """One event of a SubscriptionStatus; without a focus where the recipient is told of none."""
    parts: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": str(number)},
        {"name": "timestamp", "valueInstant": instant(at)},
    ]
    if topic is not None:
        parts.append({"name": "topic", "valueCanonical": topic_url(topic)})
    if focus is not None:
        parts.append({"name": "focus", "valueReference": {"reference": focus}})
    return {"name": "notification-event", "part": parts}


def instant(at: datetime) -> str:
    """FHIR instant in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written(head: Head, entry: Entry) -> bytes:
    url = orjson.dumps(f"{entry.type}/{entry.id}")
    if entry.body is None:
        return b'{"request":{"method":"DELETE","url":' + url + b"}}"
    return _plain(head, entry, entry.body)[:-1] + b',"request":{"method":"PUT","url":' + url + b"}}"


def _happened(head: Head, entry: Entry) -> bytes:
    status = b'{"status":"204"}' if entry.body is None else b'{"status":"200"}'
    return _written(head, entry)[:-1] + b',"response":' + status + b"}"


def _plain(head: Head, entry: Entry, body: bytes) -> bytes:
    url = orjson.dumps(f"{head.base_url}/{entry.type}/{entry.id}")
    return b'{"fullUrl":' + url + b',"resource":' + body + b"}"


def _bundle(head: Head, kind: str, parts: Sequence[bytes]) -> bytes:
    start = {
        "resourceType": "Bundle",
        "id": head.delivery,
        "meta": {"security": [{"system": _CONFIDENTIALITY, "code": head.confidentiality}]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{head.delivery}"},
        "type": kind,
        "timestamp": instant(head.at),
    }
    return orjson.dumps(start)[:-1] + b',"entry":[' + b",".join(parts) + b"]}"

"""A Subscription as a client asks for it: the R5 Backport's profile on R4, read and checked.

http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args
from urllib.parse import parse_qsl

from exchange.api.capability import served_types
from exchange.api.messages import Refusal
from exchange.connectors.endpoints import check_endpoint
from exchange.delivery.bundles import topic_url
from exchange.model.delivery import Channel, Delivery, Topic
from exchange.model.errors import ContentError
from exchange.model.records import Resource, Viewer

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
TOPICS = {topic_url(topic): topic for topic in get_args(Topic)}
_FILTER = re.compile(r"([A-Z][A-Za-z]{1,63})(?:\?(.{0,2000}))?")
_PATIENT = re.compile(r"(?:Patient/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ELEMENTS = {"resourceType", "id", "meta", "status", "reason", "criteria", "_criteria", "channel", "end"}
_CHANNEL = {"type", "endpoint", "payload", "_payload", "header", "extension"}
# What a channel may ask for beside, with the type its value has and the values that are served.
_TUNING = {
    "backport-heartbeat-period": ("valueUnsignedInt", range(30, 86_401)),
    "backport-timeout": ("valueUnsignedInt", range(1, 121)),
    "backport-max-count": ("valuePositiveInt", range(1, 1_000_001)),
}
# Not those that say what the message is or how it travels, and none of our own.
_HEADER = re.compile(r"(Authorization|X-[A-Za-z0-9-]{1,60}): ?([!-~](?:[ -~]{0,3998}[!-~])?)", re.IGNORECASE)
_OWN_HEADERS = {"x-jws-signature", "x-request-id", "x-meta-snapshot-mode"}
_MOST_HEADERS = 5
_INSTANT = re.compile(  # http://hl7.org/fhir/R4/datatypes.html#instant
    r"[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
    r"(Z|[+-](0\d|1[0-4]):[0-5]\d)"
)
_MOST_PATIENTS = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is kept: the delivery, and of the Subscription what is followed.

    `headers` (name, value) go along with each notification; they are told to nobody again, not even to who
    gave them.
    """

    delivery: Delivery
    resource: Resource
    state: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def parse_subscription(body: Resource, viewer: Viewer, on_this_machine: bool, at: datetime) -> Wanted:
    """Raises Refusal (422) for what is not served: nothing of a Subscription is passed over."""
    _only(body, _ELEMENTS, "Subscription")
    state, reason = body.get("status"), body.get("reason")
    if state not in ("requested", "off"):
        raise _refused("value", "status", "`requested`, or `off` to rest")
    if not isinstance(reason, str) or not reason.isprintable() or not 0 < len(reason) <= 500:
        raise _refused("required", "reason", "a line of text")
    if "end" in body and not _is_later(body["end"], at):
        raise _refused("value", "end", "an instant to come, with its time zone")
    topic = TOPICS.get(str(body.get("criteria")))
    if topic is None:
        raise _refused("value", "criteria", f"a topic: {', '.join(TOPICS)}")
    written = _extension(body.get("_criteria"), "backport-filter-criteria", "valueString", "_criteria")
    channel = body.get("channel")
    if not isinstance(channel, dict):
        raise _refused("required", "channel", "a rest-hook with its endpoint")
    types, patients = _filter(written, topic)
    content = _channel(channel, on_this_machine)
    tuning = _tuning(channel.get("extension", []))
    seconds = tuning.get("backport-timeout")
    limits = {} if seconds is None else {"timeout_seconds": seconds, "longest_seconds": seconds}
    delivery = Delivery(
        topics=(topic,),
        channel=Channel(type="rest_hook", options={"url": channel["endpoint"], **limits}),
        purpose=viewer.purpose,
        role=viewer.role,
        types=types,
        patients=patients,
        content=content,
        heartbeat_seconds=tuning.get("backport-heartbeat-period"),
        max_count=tuning.get("backport-max-count"),
    )
    kept = _kept(body, reason, channel, content, written)
    return Wanted(delivery, kept, state, _headers(channel.get("header", [])))


def _kept(body: Resource, reason: str, channel: Mapping[str, Any], content: str, written: str) -> Resource:
    payload = {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": content}]}
    criteria = {"extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": written}]}
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [f"{BACKPORT}/backport-subscription"]},
        "reason": reason,
        "criteria": body["criteria"],
        **({"_criteria": criteria} if written else {}),
        **({"end": body["end"]} if "end" in body else {}),
        "channel": {
            **({"extension": channel["extension"]} if channel.get("extension") else {}),
            "type": "rest-hook",
            "endpoint": channel["endpoint"],
            "payload": "application/fhir+json",
            "_payload": payload,
        },
    }


def _channel(channel: Mapping[str, Any], on_this_machine: bool) -> Any:
    """The content of a notification, once the channel is one that is served."""
    _only(channel, _CHANNEL, "channel")
    if channel.get("type") != "rest-hook":
        raise _refused("not-supported", "channel.type", "rest-hook; other ways are set up in partner.yaml")
    if channel.get("payload", "application/fhir+json") != "application/fhir+json":
        raise _refused("not-supported", "channel.payload", "application/fhir+json")
    content = _extension(channel.get("_payload"), "backport-payload-content", "valueCode", "channel._payload")
    if content not in ("", "empty", "id-only", "full-resource"):
        raise _refused("value", "channel._payload", "empty, id-only or full-resource")
    try:
        check_endpoint(str(channel.get("endpoint", "")), on_this_machine)
    except ContentError as problem:
        raise Refusal(422, "value", f"Subscription.{problem}") from None
    return content or "empty"


def _tuning(extensions: object) -> dict[str, int]:
    """Heartbeat, time and size that a channel asks for, by the name of the extension."""
    found: dict[str, int] = {}
    for one in extensions if isinstance(extensions, list) else [extensions]:
        given = one if isinstance(one, dict) else {}
        url = str(given.get("url"))
        name = url.removeprefix(f"{BACKPORT}/")
        if name not in _TUNING or url == name:
            raise _refused("not-supported", "channel.extension", f"of {BACKPORT}: {', '.join(_TUNING)}")
        value, served = _TUNING[name]
        asked = given.get(value)
        if set(given) != {"url", value} or type(asked) is not int or asked not in served or name in found:
            raise _refused(
                "value", f"channel.extension({name})", f"once, {value} of {served[0]} to {served[-1]}"
            )
        found[name] = asked
    return found


def _headers(given: object) -> tuple[tuple[str, str], ...]:
    """Name and value of each; what is wrong with one is said without quoting it."""
    lines = given if isinstance(given, list) else [given]
    found = [_HEADER.fullmatch(line) if isinstance(line, str) else None for line in lines]
    pairs = tuple((one[1], one[2]) for one in found if one)
    names = {name.lower() for name, _ in pairs}
    if (
        len(pairs) < len(lines)
        or len(names) < len(pairs)
        or len(pairs) > _MOST_HEADERS
        or names & _OWN_HEADERS
    ):
        valid = f"`Authorization: …` or `X-…: …`, {_MOST_HEADERS} at most and none of the exchange's own"
        raise _refused("value", "channel.header", valid)
    return pairs


def _is_later(given: object, at: datetime) -> bool:
    """Whether it is a FHIR instant after `at`."""
    return isinstance(given, str) and bool(_INSTANT.fullmatch(given)) and datetime.fromisoformat(given) > at


def _filter(written: str, topic: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Types and Patients of a filter such as `Observation?patient=Patient/…`."""
    if not written:
        return (), ()
    match = _FILTER.fullmatch(written)
    pairs = parse_qsl(match[2] or "", keep_blank_values=True) if match else []
    if match is None or match[1] not in served_types() or {name for name, _ in pairs} - {"patient"}:
        raise _refused("not-supported", "_criteria", "a type, or Type?patient=Patient/[id],…")
    found = [_PATIENT.fullmatch(one) for _, value in pairs for one in value.split(",")]
    if not all(found) or len(found) > _MOST_PATIENTS:
        raise _refused("value", "_criteria", f"references to Patients, {_MOST_PATIENTS} at most")
    types = (match[1],) if topic.startswith("resource-") else ()
    return types, tuple(sorted({one[1] for one in found if one}))


def _extension(element: object, name: str, value: str, where: str) -> str:
    """The value of the one extension an element may have; "" without."""
    if element is None:
        return ""
    extensions = element.get("extension") if isinstance(element, dict) else None
    one = extensions[0] if isinstance(extensions, list) and len(extensions) == 1 else None
    if not isinstance(one, dict) or one.get("url") != f"{BACKPORT}/{name}":
        raise _refused("not-supported", where, f"one extension {name}")
    found = one.get(value)
    if not isinstance(found, str) or not found:
        raise _refused("value", where, value)
    return found


def _only(element: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(element) - known)
    if unknown:
        raise Refusal(422, "not-supported", f"{where}: not served here: {', '.join(unknown)[:200]}")


def _refused(code: str, where: str, valid: str) -> Refusal:
    return Refusal(422, code, f"Subscription.{where}: {valid}")

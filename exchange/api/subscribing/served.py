"""Subscriptions of a client: made, read, changed and ended by itself, and seen by nobody else.

https://hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from psycopg.types.json import Jsonb

from exchange.api import access
from exchange.api.answering import Asked, refuse_unknown
from exchange.api.care import refuse_emergency
from exchange.api.messages import Answer, Refusal, json_answer, refused
from exchange.api.negotiation import FHIR_JSON, wants_body
from exchange.api.preconditions import refuse_conditions
from exchange.api.scopes import reach
from exchange.api.service import Service
from exchange.api.subscribing.asked import TOPICS, Wanted, parse_subscription
from exchange.api.uploads import resource_of
from exchange.api.viewing import view_of, writing_view_of
from exchange.audit import append, denied_entry, query_entries
from exchange.connectors.endpoints import is_loopback
from exchange.delivery.bundles import standing
from exchange.delivery.sealed_headers import seal_headers
from exchange.model.delivery import Delivery
from exchange.model.records import Resource
from exchange.repository import Reader


class Own(NamedTuple):
    """One as the database keeps it."""

    id: str
    resource: Resource
    state: str
    problem: str | None
    notifications: int
    failing: bool

    @property
    def status(self) -> str:
        return "error" if self.state == "active" and (self.failing or self.problem) else self.state


def create(asked: Asked) -> Answer:
    """POST Subscription: 201 with the status `requested`; the worker shakes hands, and it is active then."""
    access.require(asked.held, "Subscription", "c")
    refuse_conditions(asked.call)
    return _keep(asked, str(uuid4()), 201)


def update(asked: Asked, subscription: str) -> Answer:
    """PUT Subscription/[id]: changes one's own, lets it rest (`off`) or asks for it again (`requested`)."""
    access.require(asked.held, "Subscription", "u")
    refuse_conditions(asked.call)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        if find(asked, view, subscription) is None:
            return not_found(asked, view)
    return _keep(asked, subscription, 200)


def read(asked: Asked, subscription: str) -> Answer:
    """GET Subscription/[id]."""
    access.require(asked.held, "Subscription", "r")
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        found = find(asked, view, subscription)
        if found is None:
            return not_found(asked, view)
        _record(asked, view)
    return json_answer(_resource(found), media=FHIR_JSON)


def search(asked: Asked) -> Answer:
    """GET Subscription, POST Subscription/_search: one's own, by `status` if given."""
    access.require(asked.held, "Subscription", "s")
    refuse_unknown(asked, [name for name, _ in asked.parameters if name not in ("status", "status:missing")])
    wanted = [value.split(",") for name, value in asked.parameters if name == "status"]
    nobody = any(value == "true" for name, value in asked.parameters if name == "status:missing")
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        own = [] if nobody else _own(asked, view)
        found = [one for one in own if all(one.status in each for each in wanted)]
        _record(asked, view)
    return _bundle(asked, [(f"Subscription/{one.id}", _resource(one)) for one in found])


def status(asked: Asked, subscription: str) -> Answer:
    """Subscription/[id]/$status: a Bundle with the SubscriptionStatus."""
    access.require(asked.held, "Subscription", "r")
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        found = find(asked, view, subscription)
        if found is None:
            return not_found(asked, view)
        _record(asked, view)
    return _bundle(asked, [(f"urn:uuid:{uuid4()}", _status(asked, found))])


def delete(asked: Asked, subscription: str) -> Answer:
    """DELETE Subscription/[id]: what waits is not sent; 204 as well for another's, and a second time."""
    access.require(asked.held, "Subscription", "d")
    refuse_conditions(asked.call)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        refuse_emergency(view.conn)
        view.conn.execute("SELECT drop_subscription(%s, %s)", (UUID(subscription), asked.held.client_id))
        _record(asked, view)
    return Answer(204, b"")


def _keep(asked: Asked, subscription: str, answered: int) -> Answer:
    service = asked.service
    body = resource_of(asked.call, "Subscription")
    if answered == 200 and body.get("id") != subscription:
        raise Refusal(422, "value", "Subscription.id: that of the address")
    wanted = parse_subscription(body, asked.held.viewer, is_loopback(service.base_url), asked.call.at)
    with writing_view_of(service, asked.held, asked.call.at) as view:
        refuse_emergency(view.conn)
        delivery = _with_headers(service, subscription, wanted)
        row = view.conn.execute(
            "SELECT keep_subscription(%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                UUID(subscription), asked.held.client_id, Jsonb(delivery.model_dump(mode="json")),
                list(wanted.delivery.topics), reach(asked.held.scopes), Jsonb(wanted.resource), wanted.state,
                service.limits.subscriptions,
            ),
        ).fetchone()  # fmt: skip
        if not row or not row[0]:
            raise Refusal(429, "throttled", "too many subscriptions; end one", {"Retry-After": "60"})
        _record(asked, view, wanted.resource)
        found = find(asked, view, subscription)
    if found is None:
        raise Refusal(409, "conflict", "the subscription was ended meanwhile")
    answer = json_answer(_resource(found), answered, media=FHIR_JSON)
    place = {"Location": f"{service.fhir_url}/Subscription/{subscription}"} if answered == 201 else {}
    kept = answer.body if wants_body(asked.call.headers.get("prefer", "")) else b""
    return Answer(answer.status, kept, answer.media, place)


def _with_headers(service: Service, subscription: str, wanted: Wanted) -> Delivery:
    """The headers lie sealed in the channel's options, for the worker alone."""
    if not wanted.headers:
        return wanted.delivery
    if service.exports is None:
        raise Refusal(422, "not-supported", "Subscription.channel.header: not served here")
    sealed = seal_headers(wanted.headers, service.exports.keyring, subscription)
    channel = wanted.delivery.channel
    options = {**channel.options, "sealed_headers": sealed}
    return wanted.delivery.model_copy(update={"channel": channel.model_copy(update={"options": options})})


def _own(asked: Asked, view: Reader) -> list[Own]:
    rows = view.conn.execute("SELECT * FROM own_subscriptions(%s)", (asked.held.client_id,)).fetchall()
    return [Own(*row) for row in rows]


def find(asked: Asked, view: Reader, subscription: str) -> Own | None:
    """One's own of this id."""
    return next((one for one in _own(asked, view) if one.id == subscription), None)


def _resource(found: Own) -> Resource:
    error = {"error": found.problem} if found.problem else {}
    return {**found.resource, "id": found.id, "status": found.status, **error}


def _status(asked: Asked, found: Own) -> Mapping[str, Any]:
    reference = f"{asked.service.fhir_url}/Subscription/{found.id}"
    topic = TOPICS[found.resource["criteria"]]
    return standing(reference, topic, found.status, "query-status", found.notifications)


def _bundle(asked: Asked, found: Sequence[tuple[str, Mapping[str, Any]]]) -> Answer:
    base = asked.service.fhir_url
    entries = [
        {
            "fullUrl": place if place.startswith("urn:") else f"{base}/{place}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for place, resource in found
    ]
    body = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{asked.service.base_url}{asked.call.path}"}],
        **({"entry": entries} if entries else {}),
    }
    return json_answer(body, media=FHIR_JSON)


def _record(asked: Asked, view: Reader, kept: Resource | None = None) -> None:
    """What was asked, and of what is kept all but its secrets."""
    text = f"{asked.call.text}\n\n{orjson.dumps(kept).decode()}" if kept else asked.call.text
    append(view.conn, query_entries(asked.who, asked.how, text, [], operation=True))


def not_found(asked: Asked, view: Reader) -> Answer:
    """404 alike for another's and for none; recorded."""
    append(view.conn, [denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)])
    return refused(Refusal(404, "not-found", "there is no such resource"))

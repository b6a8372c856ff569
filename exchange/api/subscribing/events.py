"""Subscription/[id]/$events: what a subscription told, asked for again by number.

http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from exchange.api import access
from exchange.api.answering import Asked, refuse_unknown
from exchange.api.invoking import parameters_of
from exchange.api.messages import Answer, Refusal
from exchange.api.negotiation import FHIR_JSON
from exchange.api.scopes import reach
from exchange.api.subscribing.asked import TOPICS
from exchange.api.subscribing.served import find, not_found
from exchange.api.viewing import view_of
from exchange.audit import Disclosed, append, query_entries
from exchange.delivery.bundles import Head, happened, notification, standing
from exchange.repository import Reader, Served, Wanted, chosen

_People = Mapping[str | None, tuple[str, ...]]

_MOST = 100
_PARAMETERS = {"eventsSinceNumber", "eventsUntilNumber", "content"}
_LATEST = 10**18 - 1


class _Told(NamedTuple):
    """One event under its number: ids and kinds."""

    number: int
    event: int
    topic: str
    at: datetime
    type: str
    fhir_id: UUID
    rendition: int


def events(asked: Asked, subscription: str) -> Answer:
    """A history Bundle of the newest hundred in the range asked for.

    Each with the id of what it was about, as far as who asks may see it today. Resources are read by these
    ids, so `full-resource` is a hint that is not followed.
    """
    access.require(asked.held, "Subscription", "r")
    given = parameters_of(asked)
    refuse_unknown(asked, [name for name, _ in given if name not in _PARAMETERS])
    wanted = dict(given)
    first = _number(wanted, "eventsSinceNumber", 1)
    last = _number(wanted, "eventsUntilNumber", _LATEST)
    named = wanted.get("content", "id-only") != "empty"
    with view_of(asked.service, asked.held, asked.call.at, reach(asked.held.scopes)) as view:
        found = find(asked, view, subscription)
        if found is None:
            return not_found(asked, view)
        told = _told(asked, view, subscription, (first, last))
        foci, people = _foci(view, told) if named else ({}, {})
        shown = _shares(foci.values(), people)
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    address = f"{asked.service.fhir_url}/Subscription/{subscription}"
    topic = TOPICS[found.resource["criteria"]] if named else None
    said = standing(address, topic, found.status, "query-event", found.notifications)
    names = {event: f"{served.type}/{served.id}" for event, served in foci.items()}
    parts = [happened(one.number, one.at, one.topic if named else None, names.get(one.event)) for one in told]
    key = str(uuid4())
    status = {**said, "id": key, "parameter": [*said["parameter"], *parts]}
    head = Head(key, asked.call.at, "R" if foci else "U", asked.service.fhir_url)
    return Answer(200, notification(head, status, (), address, full=False), FHIR_JSON)


def _number(given: dict[str, str], name: str, otherwise: int) -> int:
    text = given.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 18:
        raise Refusal(400, "value", f"{name}: the number of an event")
    return int(text)


def _told(asked: Asked, view: Reader, subscription: str, within: tuple[int, int]) -> list[_Told]:
    rows = view.conn.execute(
        "SELECT * FROM own_events(%s, %s, %s, %s, %s)",
        (UUID(subscription), asked.held.client_id, *within, _MOST),
    ).fetchall()
    return [_Told(*row) for row in reversed(rows)]


def _foci(view: Reader, told: Sequence[_Told]) -> tuple[dict[int, Served], _People]:
    """What who asks may see of it today, by event, and by which rules for each person.

    A deleted record and a merge of people are no record.
    """
    wanted = {
        one.event: Wanted(one.type, one.fhir_id, one.rendition)
        for one in told
        if one.topic not in ("resource-deleted", "person-merged", "person-split")
    }
    seen = chosen(view, wanted.values())
    found = {event: seen.named[key] for event, key in wanted.items() if key in seen.named}
    return found, seen.terms.people


def _shares(foci: Iterable[Served], people: _People) -> list[Disclosed]:
    """Each person's share of the ids that are told."""
    by_person: dict[str | None, set[str]] = {}
    for served in foci:
        by_person.setdefault(served.about, set()).add(f"{served.type}/{served.id}")
    return [
        Disclosed(person, tuple(sorted(names)), people.get(person, ()))
        for person, names in sorted(by_person.items(), key=lambda share: share[0] or "")
    ]

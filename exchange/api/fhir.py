"""Answers what is below /fhir: who asks, may he, what does he want, and the record of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace

import orjson

from exchange.api import access, doors, histories, interactions, operations
from exchange.api.access import Access
from exchange.api.answering import Asked
from exchange.api.capability import capability_statement, served_types
from exchange.api.limits import Buckets
from exchange.api.messages import Answer, Call, Parameters, Refusal, form_of, parse_parameters
from exchange.api.negotiation import JSON, is_acceptable
from exchange.api.routing import interaction
from exchange.api.service import Service, as_api
from exchange.api.standby import NotAtStandby
from exchange.audit import append, denied_entry
from exchange.repository import CursorRefused

PREFIX = "/fhir"
_DENIALS = {401, 403}


def answer(service: Service, participants: Buckets, call: Call) -> Answer:
    """One FHIR request; everything but the CapabilityStatement needs an access token."""
    path = call.path.removeprefix(PREFIX)
    parameters = parse_parameters(call.query, service.limits.parameters)
    if path.strip("/") == "metadata":
        return _metadata(service, call, parameters)
    held = access.read_token(service, access.bearer(call), call.at)
    if held is None or not access.is_bound_to(held, call):
        raise access.unauthorized("the access token is not valid, or not any more")
    wait = participants.wait(held.viewer.participant)
    if wait:
        raise too_often(wait)
    return answer_holder(service, held, call, parameters)


def answer_holder(service: Service, held: Access, call: Call, parameters: Parameters) -> Answer:
    """What somebody who holds this access is answered; a refusal is recorded."""
    try:
        return _served(service, held, call, parameters)
    except Refusal as refusal:
        if refusal.status in _DENIALS:
            _record_denial(service, held, call, f"{refusal.status} {refusal.code}")
        raise
    except CursorRefused:
        _record_denial(service, held, call, "400 invalid: not a page of this requester's")
        raise


def too_often(wait: float) -> Refusal:
    """429 with the seconds to wait."""
    return Refusal(
        429, "throttled", "too many requests; wait and try again", {"Retry-After": str(math.ceil(wait))}
    )


def _metadata(service: Service, call: Call, parameters: Parameters) -> Answer:
    interaction(call.method, "metadata", ())
    _check_format(call, parameters)
    return Answer(200, orjson.dumps(capability_statement(service, call.at)))


def _served(service: Service, held: Access, call: Call, parameters: Parameters) -> Answer:
    if not access.may_ask(service.participants.get(held.viewer.participant), held.viewer, call.at):
        raise Refusal(
            403, "forbidden", "the participant may not ask under this role for this purpose any more"
        )
    work, offered, parameters = _wanted(service, call, parameters)
    _check_format(call, parameters, offered)
    asked = Asked(service, call, held, tuple(p for p in parameters if p[0] not in _GENERAL))
    return _worked(work, asked)


def _worked(work: Callable[[Asked], Answer], asked: Asked) -> Answer:
    """Read at the standby; of what it cannot answer nothing was recorded, and the primary begins anew."""
    standby = asked.service.standby
    if standby is None or not standby.may_be_asked():
        return work(asked)
    try:
        return work(replace(asked, standby=standby))
    except NotAtStandby as failed:
        standby.could_not(failed.reason)
        return work(asked)


def _wanted(
    service: Service, call: Call, parameters: Parameters
) -> tuple[Callable[[Asked], Answer], Collection[str], Parameters]:
    """Who answers, the media types he offers, and the parameters with those of a search's form."""
    path = call.path.removeprefix(PREFIX)
    door = doors.door(call.method, path)
    if door is not None:
        return door.work, door.offered, (*parameters, *_form(service, call))
    wanted = interaction(call.method, path, served_types())
    work = _WORK[wanted.name]
    return (lambda asked: work(asked, wanted)), JSON, (*parameters, *_form(service, call))


def _form(service: Service, call: Call) -> Parameters:
    """The parameters in the body of a search."""
    is_search = call.method == "POST" and call.path.rstrip("/").endswith("/_search")
    return form_of(call, service.limits.parameters) if is_search and call.body else ()


_GENERAL = {"_format", "_pretty"}
_WORK = {
    "read": interactions.read,
    "vread": histories.vread,
    "history": histories.history,
    "search-type": interactions.search,
    "everything": interactions.everything,
    "compartment": interactions.compartment,
    "match": interactions.match,
    **operations.WORK,
}


def _check_format(call: Call, parameters: Parameters, offered: Collection[str] = JSON) -> None:
    """Raises Refusal (406), the same for every route and before any of its work is begun."""
    formats = [value for name, value in parameters if name == "_format"]
    if not is_acceptable(call.headers.get("accept", ""), formats, offered):
        raise Refusal(406, "not-supported", "answers are application/fhir+json; fhirVersion=4.0")


def _record_denial(service: Service, held: Access, call: Call, reason: str) -> None:
    who = access.requester(service, held.client_id, held.viewer, held.jti)
    entry = denied_entry(who, access.circumstances(service, call), call.text, reason)
    with as_api(service) as conn:
        append(conn, [entry])

"""Read, search and $everything: what the viewer may see is read, and recorded before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from exchange.api import access
from exchange.api.access import Access
from exchange.api.answering import (
    Asked,
    Shown,
    applied,
    bundle,
    disclosed,
    gone,
    not_found,
    obligation_header,
    opened,
    refuse_empty,
    refuse_unknown,
    resource,
)
from exchange.api.bundles import notices
from exchange.api.invoking import parameters_of
from exchange.api.matching import described, matchset
from exchange.api.messages import Answer, Parameters, parse_parameters
from exchange.api.routing import Interaction
from exchange.api.scopes import ANY_TYPE, allows, reach, reach_of_search
from exchange.audit import append, query_entries
from exchange.crypto import SealBroken, hide, reveal
from exchange.repository import CursorRefused, Page, in_form, is_gone
from exchange.repository import compartment as find_compartment
from exchange.repository import everything as find_everything
from exchange.repository import match as find_matches
from exchange.repository import read as find
from exchange.repository import search_for as find_page
from exchange.repository.reading.criteria import types_asked
from exchange.repository.reading.query import ANY, Include, Query, parse_form, parse_query

_PAGE = "_page"


def read(asked: Asked, wanted: Interaction) -> Answer:
    """One resource, or 404 alike for what is hidden and for what is not there."""
    access.require(asked.held, wanted.type, "r")
    form, unknown = parse_form(asked.parameters)
    refuse_unknown(asked, unknown)
    with opened(asked, reach(asked.held.scopes)) as view:
        found = find(view, wanted.type, wanted.id)
        if found is None:
            return gone(asked, view) if is_gone(view, wanted.type, wanted.id) else not_found(asked, view)
        return resource(asked, view, f"{wanted.type}/{wanted.id}", in_form(found, form))


def search(asked: Asked, wanted: Interaction) -> Answer:
    """One page of what matches; the same parameters give the same bytes whatever is hidden."""
    access.require(asked.held, wanted.type, "s")
    asked = _revealed(asked)
    asked = replace(asked, parameters=refuse_empty(asked, asked.parameters))
    query = check_search(asked, wanted.type, asked.parameters, wanted.id)
    service = asked.service
    with opened(asked, reach(asked.held.scopes, wanted.type, "s")) as view:
        page = find_page(view, query, service.fhir_url, service.cursor_key)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, disclosed(page)))
    return bundle(asked, Shown(_hidden(asked, page), query.path, applied(asked.parameters, page)))


def check_search(
    asked: Asked, resource_type: str, parameters: Sequence[tuple[str, str]], compartment: str = ""
) -> Query:
    """The search as it was read; raises Refusal for what is not served, or out of the token's scope."""
    query = parse_query(resource_type, parameters, asked.call.at, compartment)
    refuse_unknown(asked, query.unknown)
    for reached in types_asked(query.where):
        access.require(asked.held, reached, "s")
    for include in query.includes:
        _require_included(asked.held, include)
    return query


def _hidden(asked: Asked, page: Page) -> Page:
    """What was asked in a body, so that no name stands in a URL, does not come back as one of ours."""
    if asked.call.method != "POST" or page.next is None:
        return page
    url, _, query = page.next.partition("?")
    return replace(page, next=f"{url}?{_PAGE}={hide(query, asked.service.cursor_key, _PAGE)}")


def _revealed(asked: Asked) -> Asked:
    """The request that a hidden next link stands for; raises CursorRefused for one that we did not make."""
    pages = [value for name, value in asked.parameters if name == _PAGE]
    if not pages:
        return asked
    try:
        query = reveal(pages[0], asked.service.cursor_key, _PAGE)
    except SealBroken:
        raise CursorRefused(f"{_PAGE} is not one of ours; search again") from None
    call = replace(asked.call, method="POST")
    return replace(asked, call=call, parameters=parse_parameters(query, asked.service.limits.parameters))


def everything(asked: Asked, wanted: Interaction) -> Answer:
    """All of a person's records the token's scopes reach, page by page."""
    access.require(asked.held, "Patient", "r")
    asked = replace(asked, parameters=parameters_of(asked))
    service = asked.service
    parameters = _within_scopes(asked.held, asked.parameters, "r")
    with opened(asked, reach(asked.held.scopes)) as view:
        page = find_everything(view, wanted.id, parameters, service.fhir_url, service.cursor_key)
        if page is None:
            return not_found(asked, view)
        refuse_unknown(asked, page.unknown)
        page = _readable(asked.held, page)
        shown = disclosed(page)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    return bundle(asked, Shown(page, f"Patient/{wanted.id}/$everything", applied(asked.parameters, page)))


def compartment(asked: Asked, wanted: Interaction) -> Answer:
    """Records of every type about one person that the token may search for, page by page."""
    access.require(asked.held, "Patient", "s")
    service, parameters = asked.service, _within_scopes(asked.held, asked.parameters, "s")
    with opened(asked, reach_of_search(asked.held.scopes)) as view:
        page = find_compartment(view, wanted.id, parameters, service.fhir_url, service.cursor_key)
        refuse_unknown(asked, page.unknown)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, disclosed(page)))
    return bundle(asked, Shown(page, f"Patient/{wanted.id}/*", applied(asked.parameters, page)))


def match(asked: Asked, wanted: Interaction) -> Answer:
    """Who a described patient may be, graded; what the requester may not see is no candidate."""
    access.require(asked.held, wanted.type, "s")
    about, service = described(asked.call, asked.parameters), asked.service
    with opened(asked, reach(asked.held.scopes, wanted.type, "s")) as view:
        found = find_matches(view, service.identity, about, service.fhir_url)
        shown = disclosed(found.page)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    issues = notices(found.page, service.notices)
    body = matchset(found, f"{service.fhir_url}/Patient/$match", issues)
    return Answer(200, body, headers=obligation_header(asked, found.page.obligations))


def _require_included(held: Access, include: Include) -> None:
    """A narrow token must name the types it includes, and be good for them."""
    if allows(held.scopes, ANY_TYPE, "r"):
        return
    if include.reverse:
        access.require(held, include.source, "r")
    elif include.source != ANY and include.of_subject:
        access.require(held, "Patient", "r")
    else:
        access.require(held, include.target or ANY_TYPE, "r")


def _within_scopes(held: Access, parameters: Parameters, action: str) -> Parameters:
    """The parameters with `_type` narrowed to the types of which the token allows the action."""
    if allows(held.scopes, ANY_TYPE, action):
        return parameters
    readable = sorted(scope.type for scope in held.scopes if action in scope.actions)
    named = [value.split(",") for name, value in parameters if name == "_type"]
    types = [kind for kind in readable if not named or kind in named[-1]]
    return (*(pair for pair in parameters if pair[0] != "_type"), ("_type", ",".join(types)))


def _readable(held: Access, page: Page) -> Page:
    """Without what the records refer to and the token may not read."""
    kept = [entry for entry in page.entries if allows(held.scopes, _type_of(entry.full_url), "r")]
    return page if len(kept) == len(page.entries) else replace(page, entries=tuple(kept))


def _type_of(full_url: str) -> str:
    return full_url.split("/")[-2]

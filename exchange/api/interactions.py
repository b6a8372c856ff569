"""Read, search and $everything: one transaction that reads as the viewer and records what leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from exchange.api import access
from exchange.api.access import Access
from exchange.api.bundles import notices, searchset, unknown_parameters
from exchange.api.matching import described, matchset
from exchange.api.messages import Answer, Call, Parameters, Refusal, parse_parameters, refused
from exchange.api.negotiation import handling, http_date, not_modified
from exchange.api.routing import Interaction
from exchange.api.scopes import ANY_TYPE, allows, reach
from exchange.api.service import Service
from exchange.api.viewing import view_of
from exchange.audit import (
    Circumstances,
    Disclosed,
    Requester,
    append,
    denied_entry,
    query_entries,
    read_entry,
)
from exchange.crypto import SealBroken, hide, reveal
from exchange.repository import CursorRefused, Page, Reader
from exchange.repository import everything as find_everything
from exchange.repository import match as find_matches
from exchange.repository import read as find
from exchange.repository import search_for as find_page
from exchange.repository.reading.criteria import types_asked
from exchange.repository.reading.query import ANY, Include, parse_query

_ABOUT = re.compile(rb'"Patient/([0-9a-f-]{36})"')


_PAGE = "_page"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose token was verified; `parameters` without those about the form of the answer."""

    service: Service
    call: Call
    held: Access
    parameters: Parameters

    @property
    def who(self) -> Requester:
        return access.requester(self.service, self.held.client_id, self.held.viewer, self.held.jti)

    @property
    def how(self) -> Circumstances:
        return access.circumstances(self.service, self.call)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What leaves, and the parameters it answers."""

    page: Page
    path: str
    applied: Parameters


def read(asked: Asked, wanted: Interaction) -> Answer:
    """One resource, or 404 alike for what is hidden and for what is not there."""
    access.require(asked.held, wanted.type, "r")
    _refuse_unknown(asked, [name for name, _ in asked.parameters])
    reference = f"{wanted.type}/{wanted.id}"
    with _view(asked, reach(asked.held.scopes)) as view:
        found = find(view, wanted.type, wanted.id)
        if found is None:
            return _not_found(asked, view)
        patients = found.patients or (None,)
        shown = [Disclosed(patient, because=found.because) for patient in patients]
        append(view.conn, [read_entry(asked.who, asked.how, reference, part) for part in shown])
    headers = {
        "ETag": found.etag,
        "Last-Modified": http_date(found.updated),
        **_obligation_header(asked, found.obligations),
    }
    known = (asked.call.headers.get("if-none-match", ""), asked.call.headers.get("if-modified-since", ""))
    if not_modified(*known, found.etag, found.updated):
        return Answer(304, b"", headers=headers)
    return Answer(200, found.body, headers=headers)


def search(asked: Asked, wanted: Interaction) -> Answer:
    """One page of what matches; the same parameters give the same bytes whatever is hidden."""
    access.require(asked.held, wanted.type, "s")
    asked = _revealed(asked)
    query = parse_query(wanted.type, asked.parameters, asked.call.at, wanted.id)
    _refuse_unknown(asked, query.unknown)
    for reached in types_asked(query.where):
        access.require(asked.held, reached, "s")
    for include in query.includes:
        _require_included(asked.held, include)
    service = asked.service
    with _view(asked, reach(asked.held.scopes, wanted.type, "s")) as view:
        page = find_page(view, query, service.fhir_url, service.cursor_key)
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, _disclosed(page)))
    return _bundle(asked, _Shown(_hidden(asked, page), query.path, _applied(asked.parameters, page)))


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
    service = asked.service
    parameters = _within_scopes(asked.held, asked.parameters)
    with _view(asked, reach(asked.held.scopes)) as view:
        page = find_everything(view, wanted.id, parameters, service.fhir_url, service.cursor_key)
        if page is None:
            return _not_found(asked, view)
        _refuse_unknown(asked, page.unknown)
        page = _readable(asked.held, page)
        shown = _disclosed(page)
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    return _bundle(asked, _Shown(page, f"Patient/{wanted.id}/$everything", _applied(asked.parameters, page)))


def match(asked: Asked, wanted: Interaction) -> Answer:
    """Who a described patient may be, graded; what the requester may not see is no candidate."""
    access.require(asked.held, wanted.type, "s")
    about, service = described(asked.call, asked.parameters), asked.service
    with _view(asked, reach(asked.held.scopes, wanted.type, "s")) as view:
        found = find_matches(view, service.identity, about, service.fhir_url)
        shown = _disclosed(found.page)
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    issues = notices(found.page.obligations, service.notices)
    body = matchset(found, f"{service.fhir_url}/Patient/$match", issues)
    return Answer(200, body, headers=_obligation_header(asked, found.page.obligations))


def _view(asked: Asked, scope: str) -> AbstractContextManager[Reader]:
    return view_of(asked.service, asked.held, asked.call.at, scope)


def _not_found(asked: Asked, view: Reader) -> Answer:
    entry = denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)
    append(view.conn, [entry])
    return refused(Refusal(404, "not-found", "there is no such resource"))


def _refuse_unknown(asked: Asked, unknown: Iterable[str]) -> None:
    """Raises Refusal (400) for parameters that would be ignored, unless the requester is lenient."""
    names = list(dict.fromkeys(unknown))
    if names and handling(asked.call.headers.get("prefer", "")) == "strict":
        raise Refusal(
            400, "not-supported", f"not served here: {', '.join(names)}; or send Prefer: handling=lenient"
        )


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


def _within_scopes(held: Access, parameters: Parameters) -> Parameters:
    """The parameters with `_type` narrowed to the types the token may read."""
    if allows(held.scopes, ANY_TYPE, "r"):
        return parameters
    readable = sorted(scope.type for scope in held.scopes if "r" in scope.actions)
    named = [value.split(",") for name, value in parameters if name == "_type"]
    types = [kind for kind in readable if not named or kind in named[-1]]
    return (*(pair for pair in parameters if pair[0] != "_type"), ("_type", ",".join(types)))


def _readable(held: Access, page: Page) -> Page:
    """Without what the records refer to and the token may not read."""
    kept = [entry for entry in page.entries if allows(held.scopes, _type_of(entry.full_url), "r")]
    return page if len(kept) == len(page.entries) else replace(page, entries=tuple(kept))


def _disclosed(page: Page) -> list[Disclosed]:
    """Each person's share of a page: which resources were about him."""
    records: dict[str, set[str]] = {patient: set() for patient in page.patients}
    for entry in page.entries:
        kind, key = entry.full_url.split("/")[-2:]
        about = {found.decode() for found in _ABOUT.findall(entry.body)} | {key, entry.about or ""}
        for patient in about & records.keys():
            records[patient].add(f"{kind}/{key}")
    return [
        Disclosed(patient, tuple(sorted(found)), page.because) for patient, found in sorted(records.items())
    ]


def _type_of(full_url: str) -> str:
    return full_url.split("/")[-2]


def _applied(parameters: Parameters, page: Page) -> Parameters:
    return tuple(pair for pair in parameters if pair[0] not in page.unknown)


def _bundle(asked: Asked, shown: _Shown) -> Answer:
    page, service = shown.page, asked.service
    query = f"?{urlencode(shown.applied)}" if shown.applied else ""
    issues = [*unknown_parameters(page.unknown), *notices(page.obligations, service.notices)]
    body = searchset(page, f"{service.fhir_url}/{shown.path}{query}", issues)
    return Answer(200, body, headers=_obligation_header(asked, page.obligations))


def _obligation_header(asked: Asked, obligations: Iterable[str]) -> dict[str, str]:
    """Codes of what must travel with the data; their words stand in a Bundle's OperationOutcome."""
    travelling = [code for code in obligations if code in asked.service.notices]
    return {"X-Obligations": ", ".join(travelling)} if travelling else {}

"""Two FHIR servers over HTTP: what may be asked for, and what differs between them and not by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from exchange.api.capability import served_types
from exchange.app.prove.asking import Material, Request, material_of
from exchange.app.prove.comparing import Answer, differences
from exchange.cli.prove.side import Side
from exchange.model.errors import PartnerRefused

_SAMPLE = "100"


def material_of_server(side: Side) -> Material:
    """From the first page of each type; raises PartnerRefused when the server shows nothing at all."""
    resources = [resource for kind in served_types() for resource in _first_page(side, kind)]
    if not resources:
        raise PartnerRefused("the first server shows this token no resource of any type")
    instants = [_instant(resource) for resource in resources]
    return material_of(resources, (), [instant for instant in instants if instant])


def compare_servers(one: Side, other: Side, request: Request) -> tuple[str, ...]:
    """Places that differ between the two, without those that differ when the first is asked twice.

    Nobody promises an order that is not asked for, so no difference in it is told.
    """
    ordered = any(name == "_sort" for name, _ in request.parameters)
    asked = with_ties_settled(request)
    first, second = (_in_order(side.ask(asked), ordered) for side in (one, other))
    found = differences(first, second)
    if not found:
        return ()
    by_itself = set(differences(first, _in_order(one.ask(asked), ordered)))
    return tuple(place for place in found if place not in by_itself)


def with_ties_settled(request: Request) -> Request:
    """A search in an order that leaves nothing open, so that the same pages hold the same.

    >>> with_ties_settled(Request("GET", "Patient", (("_sort", "birthdate"),))).parameters
    (('_sort', 'birthdate,_id'),)
    """
    last = request.path.removesuffix("/_search").rpartition("/")[2]
    if last not in served_types() or request.asynchronous:
        return request
    keys = [value for name, value in request.parameters if name == "_sort"]
    given = tuple(pair for pair in request.parameters if pair[0] != "_sort")
    return replace(request, parameters=(*given, ("_sort", ",".join([*keys, "_id"]))))


def _in_order(answers: list[Answer], ordered: bool) -> list[Answer]:
    return [_sorted(answer, ordered) for answer in answers]


def _sorted(answer: Answer, ordered: bool) -> Answer:
    """Lines of a file, and entries of a Bundle but matches whose order was asked for, by what they say."""
    if "ndjson" in dict(answer.headers).get("content-type", ""):
        return replace(answer, body=b"\n".join(sorted(answer.body.splitlines())))
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return answer
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        return answer
    entries = sorted(body["entry"], key=lambda entry: _place(entry, ordered))
    return replace(answer, body=orjson.dumps({**body, "entry": entries}))


def _place(entry: dict[str, Any], ordered: bool) -> tuple[bool, str]:
    match = entry.get("search", {}).get("mode") == "match"
    return not match, "" if match and ordered else entry.get("fullUrl", "")


def _first_page(side: Side, kind: str) -> list[dict[str, Any]]:
    (answer,) = side.ask(Request("GET", kind, (("_count", _SAMPLE),)))
    if answer.status != 200:
        return []
    resources = (entry.get("resource", {}) for entry in orjson.loads(answer.body).get("entry", ()))
    return [found for found in resources if found.get("resourceType") == kind and "id" in found]


def _instant(resource: dict[str, Any]) -> datetime | None:
    text = resource.get("meta", {}).get("lastUpdated")
    return datetime.fromisoformat(text) if text else None

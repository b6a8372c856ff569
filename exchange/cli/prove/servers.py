"""Two FHIR servers over HTTP: what may be asked for, and what differs between them and not by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from exchange.api.capability import served_types
from exchange.app.prove.asking import Material, Request, material_of
from exchange.app.prove.comparing import differences
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
    """Places that differ between the two, without those that differ when the first is asked twice."""
    first = one.ask(request)
    found = differences(first, other.ask(request))
    if not found:
        return ()
    by_itself = set(differences(first, one.ask(request)))
    return tuple(place for place in found if place not in by_itself)


def _first_page(side: Side, kind: str) -> list[dict[str, Any]]:
    (answer,) = side.ask(Request("GET", kind, (("_count", _SAMPLE),)))
    if answer.status != 200:
        return []
    resources = (entry.get("resource", {}) for entry in orjson.loads(answer.body).get("entry", ()))
    return [found for found in resources if found.get("resourceType") == kind and "id" in found]


def _instant(resource: dict[str, Any]) -> datetime | None:
    text = resource.get("meta", {}).get("lastUpdated")
    return datetime.fromisoformat(text) if text else None

"""The minimum necessary: a record cut to the elements a profile leaves (45 CFR 164.502(b), 164.514(d))."""

from __future__ import annotations

from functools import lru_cache

import orjson

from exchange.consent.classes import Context
from exchange.consent.rules.elements import OTHERS, Left, may_owe
from exchange.consent.standing import participant_of
from exchange.model.fhir_types import fhir_type
from exchange.model.records import Resource, Viewer

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def minimum_for(viewer: Viewer, context: Context) -> Left | None:
    """What the viewer is left where he owes the minimum necessary; None when no rule can ask that of him."""
    who = participant_of(viewer.participant, context)
    rules = context.rules
    if who is None:
        return {}
    policies = [rule.policy for rule in rules.rules]
    if not may_owe(policies, who, viewer.purpose, rules.vocabulary):
        return None
    return rules.elements.left_for(who, viewer.purpose, rules.vocabulary)


def is_left(resource_type: str, element: str, left: Left) -> bool:
    """Whether the profile leaves that element (its JSON name) of such a resource."""
    names = left.get(resource_type, left.get(OTHERS, []))
    return names is None or _is_named(resource_type, element.removeprefix("_"), tuple(names))


@lru_cache(maxsize=65536)
def _is_named(resource_type: str, element: str, names: tuple[str, ...]) -> bool:
    if element in names:
        return True
    found = fhir_type(resource_type).elements.get(element)
    return found is not None and found.choice in names


def minimum(resource: Resource, left: Left) -> Resource:
    """The resource with what the profile leaves, tagged as a subset whether or not anything was left out.

    Contained resources are cut alike, and stay where something left refers to them.
    """
    kind = resource["resourceType"]
    kept = {n: value for n, value in resource.items() if n != "contained" and is_left(kind, n, left)}
    meta = resource.get("meta", {})
    kept["meta"] = {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}
    said = orjson.dumps(kept)
    inner = [one for one in resource.get("contained", ()) if f'"#{one.get("id")}"'.encode() in said]
    if inner:
        kept["contained"] = [_contained(one, left) for one in inner]
    return kept


def _contained(resource: Resource, left: Left) -> Resource:
    kind = resource["resourceType"]
    return {n: value for n, value in resource.items() if is_left(kind, n, left)}

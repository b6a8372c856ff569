"""Bodies in FHIR: JSON of one resource, checked before anything is done with it."""

from __future__ import annotations

from typing import Any

import orjson

from exchange.api.messages import Call, Refusal
from exchange.model.records import Resource

_MEDIA = {"application/fhir+json", "application/json"}
_DEEPEST = 60


def resource_of(call: Call, kind: str) -> Resource:
    """The resource of the body; raises Refusal as `body_of` does, and 422 for another type."""
    found = body_of(call)
    if found.get("resourceType") != kind:
        raise Refusal(422, "invalid", f"the body must be a {kind}")
    return found


def body_of(call: Call) -> Resource:
    """The body as JSON; raises Refusal: 415 for another media type, 400 for no object or a bottomless one."""
    media = call.headers.get("content-type", "").split(";")[0].strip().lower()
    if media not in _MEDIA:
        raise Refusal(415, "not-supported", "the body must be application/fhir+json")
    try:
        found = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "structure", "the body must be a JSON object")
    if _depth(found) > _DEEPEST:
        raise Refusal(400, "structure", f"the body is nested more than {_DEEPEST} deep")
    return found


def _depth(found: Any) -> int:
    """How deep a document is nested, without recursion: a body may be nested on purpose."""
    level, depth = [found], 0
    while level and depth <= _DEEPEST:
        children = (c for node in level for c in (node.values() if isinstance(node, dict) else node))
        level = [child for child in children if isinstance(child, (dict, list))]
        depth += 1
    return depth


def strings_of(parameters: Resource) -> dict[str, str]:
    """The texts of a Parameters resource by name; raises Refusal (422) for anything else in it."""
    found: dict[str, str] = {}
    entries = parameters.get("parameter", ())
    for entry in entries if isinstance(entries, list) else ():
        values = [v for k, v in entry.items() if k.startswith("value")] if isinstance(entry, dict) else []
        if len(values) != 1 or not isinstance(values[0], str) or not isinstance(entry.get("name"), str):
            raise Refusal(422, "structure", "each parameter has a name and one text")
        if not values[0].isprintable() or len(values[0]) > 1_000:
            raise Refusal(422, "value", "each text has 1 to 1,000 printable characters")
        found[entry["name"]] = values[0]
    return found

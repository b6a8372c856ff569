"""FHIR from a partner: its ids and references become ours before the map is applied.

https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from exchange.mapping.run import Run
from exchange.model.errors import RecordRejected
from exchange.model.fhir_types import type_names
from exchange.model.records import Resource

_LITERAL = re.compile(
    r"(?:https?://\S+?/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]+)?"
)
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.+)")
_KEPT_META = ("profile", "security", "tag", "extension")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a FHIR record holds: (resource with our ids and references, its own id), `Type/id` it deletes."""

    resources: tuple[tuple[Resource, str], ...]
    deleted: tuple[str, ...]


def incoming(parsed: Any, run: Run) -> Incoming:
    """A resource, or every entry of a Bundle; raises RecordRejected when it is neither."""
    if not isinstance(parsed, dict):
        raise RecordRejected("not a FHIR resource", code="structure")
    if parsed.get("resourceType") != "Bundle":
        resource_type = _type_of(parsed)
        if not isinstance(parsed.get("id"), str):
            raise RecordRejected("the resource has no id", code="required", expression=f"{resource_type}.id")
        own = run.resource_id(resource_type, parsed["id"])
        return Incoming(((_rewritten(parsed, own, {}, run), parsed["id"]),), ())
    entries = [entry for entry in parsed.get("entry") or [] if isinstance(entry, dict)]
    keys = [_bundle_key(entry) if "resource" in entry else None for entry in entries]
    ids = [None if key is None else run.resource_id(*key) for key in keys]
    index = _index(entries, ids)
    resources = tuple(
        (_rewritten(entry["resource"], own, index, run), key[1])
        for entry, own, key in zip(entries, ids, keys, strict=True)
        if own is not None and key is not None
    )
    return Incoming(resources, tuple(_deletions(entries, run)))


def deleted_reference(key: str, run: Run) -> str:
    """`Type/id` of ours for a partner's `Type/id`; raises RecordRejected."""
    found = _LITERAL.fullmatch(key)
    if found is None or found.group(1) not in type_names("resource"):
        raise RecordRejected("a deletion must name `Type/id`", code="invalid", expression="request.url")
    return f"{found.group(1)}/{run.resource_id(found.group(1), found.group(2))}"


def _type_of(resource: Any) -> str:
    resource_type = resource.get("resourceType") if isinstance(resource, dict) else None
    if resource_type not in type_names("resource"):
        raise RecordRejected("no resource type of FHIR R4", code="not-supported", expression="resourceType")
    return str(resource_type)


def _bundle_key(entry: dict[str, Any]) -> tuple[str, str]:
    """Type and key: the condition of a conditional create or update, else the id, else the fullUrl."""
    resource = entry["resource"]
    resource_type = _type_of(resource)
    request = entry.get("request") or {}
    url = str(request.get("url") or "")
    condition = request.get("ifNoneExist") or (
        url.partition("?")[2] if request.get("method") == "PUT" else ""
    )
    if condition and (value := _identifier_value(str(condition))):
        return resource_type, value
    full_url = str(entry.get("fullUrl") or "")
    key = resource.get("id") or full_url.rsplit(":", 1)[-1].rsplit("/", 1)[-1]
    if not key:
        raise RecordRejected(
            "an entry has neither id nor fullUrl", code="required", expression="Bundle.entry"
        )
    return resource_type, str(key)


def _identifier_value(query: str) -> str:
    return parse_qs(query.removeprefix("?")).get("identifier", [""])[0]


def _index(entries: list[dict[str, Any]], ids: list[str | None]) -> dict[str, str]:
    """Our reference by every name an entry can be called in the Bundle."""
    index: dict[str, str] = {}
    for entry, own in zip(entries, ids, strict=True):
        if own is None:
            continue
        resource = entry["resource"]
        reference = f"{resource['resourceType']}/{own}"
        if entry.get("fullUrl"):
            index[str(entry["fullUrl"])] = reference
        if resource.get("id"):
            index[f"{resource['resourceType']}/{resource['id']}"] = reference
    return index


def _deletions(entries: list[dict[str, Any]], run: Run) -> Iterator[str]:
    for entry in entries:
        request = entry.get("request") or {}
        if request.get("method") == "DELETE":
            yield deleted_reference(str(request.get("url", "")), run)
        elif "resource" not in entry:
            run.note("error", "required", "an entry holds no resource", "Bundle.entry.resource", "")


def _rewritten(resource: Resource, own: str, index: dict[str, str], run: Run) -> Resource:
    """The resource under our id; `meta` keeps what is about content, not about the partner's server."""
    rewritten: Resource = {name: _rewrite(value, index, run) for name, value in resource.items()}
    rewritten["id"] = own
    meta = resource.get("meta")
    kept = {name: meta[name] for name in _KEPT_META if meta.get(name)} if isinstance(meta, dict) else {}
    rewritten["meta"] = kept
    return rewritten


def _rewrite(value: Any, index: dict[str, str], run: Run) -> Any:
    kind = type(value)
    if kind is dict:
        out = {}
        for name, item in value.items():
            inner = type(item)
            if inner is dict or inner is list:
                out[name] = _rewrite(item, index, run)
            elif inner is str and (name == "reference" or (name == "url" and item.startswith("Binary/"))):
                out[name] = _reference(item, index, run)
            else:
                out[name] = item
        return out
    if kind is list:
        return [_rewrite(item, index, run) for item in value]
    return value


def _reference(text: str, index: dict[str, str], run: Run) -> str:
    if text.startswith("#"):
        return text
    if known := index.get(text):
        return known
    if literal := _LITERAL.fullmatch(text):
        kind, key = literal.groups()
        return index.get(f"{kind}/{key}") or f"{kind}/{run.resource_id(kind, key)}"
    conditional = _CONDITIONAL.fullmatch(text)
    if conditional and (value := _identifier_value(conditional.group(2))):
        return f"{conditional.group(1)}/{run.resource_id(conditional.group(1), value)}"
    run.note("error", "not-found", "a reference leads nowhere in this record", "Reference.reference", "")
    return text

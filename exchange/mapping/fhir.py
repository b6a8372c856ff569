"""FHIR from a partner: its ids and references become ours before the map is applied.

https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from exchange.mapping.attached import attached
from exchange.mapping.fhir_keys import SUBSETTED, Keys, request_of
from exchange.mapping.run import Run
from exchange.model.errors import RecordRejected
from exchange.model.fhir_types import type_names
from exchange.model.records import Resource

_LITERAL = re.compile(
    r"(?:https?://\S+?/)?([A-Z][A-Za-z]+)/([A-Za-z0-9._-]{1,128})(?:/_history/[A-Za-z0-9._-]+)?"
)
_ELSEWHERE = re.compile(r"https?://\S+")
_BINARY = re.compile(r"(?:https?://\S+?/)?Binary/[A-Za-z0-9._-]{1,128}")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.+)")
_KEPT_META = ("profile", "security", "tag", "extension")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a FHIR record holds: (resource with our ids and references, its own id, its place in a Bundle),
    `Type/id` it deletes.

    `partial` has the ids of resources tagged SUBSETTED: they say less than the partner knows; `if_none`
    those of conditional creates: they count only where there is none.
    """

    resources: tuple[tuple[Resource, str, str], ...]
    deleted: tuple[str, ...]
    partial: frozenset[str] = frozenset()
    if_none: frozenset[str] = frozenset()


def incoming(parsed: Any, keys: Keys, run: Run) -> Incoming:
    """A resource, or every entry of a Bundle; raises RecordRejected when it is neither."""
    if not isinstance(parsed, dict):
        raise RecordRejected("not a FHIR resource", code="structure")
    if parsed.get("resourceType") == "Bundle":
        return _bundle(parsed, keys, run)
    resource_type = _type_of(parsed)
    if not isinstance(parsed.get("id"), str):
        raise RecordRejected("the resource has no id", code="required", expression=f"{resource_type}.id")
    own = run.resource_id(resource_type, keys.alone(parsed) or parsed["id"])
    partial = frozenset((own,)) if _is_partial(parsed) else frozenset[str]()
    return Incoming(((_rewritten(parsed, own, {}, run), parsed["id"], ""),), (), partial)


def _bundle(bundle: dict[str, Any], keys: Keys, run: Run) -> Incoming:
    listed = bundle.get("entry")
    entries = [entry for entry in (listed if isinstance(listed, list) else ()) if isinstance(entry, dict)]
    found = keys.of_entries([_holds(entry, run) for entry in entries])
    ids = [None if key is None else run.resource_id(*key) for key in found]
    index = _index(entries, ids)
    known = [
        (entry["resource"], own, key[1])
        for entry, own, key in zip(entries, ids, found, strict=True)
        if own is not None and key is not None
    ]
    numbers = {own: number for number, own in enumerate(ids)}
    known = attached(known, index)
    return Incoming(
        tuple(
            (_rewritten(resource, own, index, run), key, f"entry[{numbers[own]}].resource")
            for resource, own, key in known
        ),
        tuple(_deletions(entries, run)),
        frozenset(own for resource, own, _ in known if _is_partial(resource)),
        frozenset(
            own
            for entry, own in zip(entries, ids, strict=True)
            if own is not None and request_of(entry).get("ifNoneExist")
        ),
    )


def _holds(entry: dict[str, Any], run: Run) -> dict[str, Any] | None:
    """The entry if it brings a resource whose type is known; a PATCH brings none."""
    if "resource" not in entry:
        return None
    if request_of(entry).get("method") == "PATCH":
        run.note(
            "error", "not-supported", "a PATCH says too little to be applied", "Bundle.entry.request", ""
        )
        return None
    _type_of(entry["resource"])
    return entry


def _is_partial(resource: Resource) -> bool:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and any(
        isinstance(tag, dict) and tag.get("code") == SUBSETTED for tag in tags
    )


def deleted_reference(key: str, run: Run) -> str:
    """`Type/id` of ours for a partner's `Type/id` or `Type?identifier=…`; raises RecordRejected."""
    for found, identified in ((_LITERAL.fullmatch(key), False), (_CONDITIONAL.fullmatch(key), True)):
        if found is not None and found.group(1) in type_names("resource"):
            named = _identifier_value(found.group(2)) if identified else found.group(2)
            if named:
                return f"{found.group(1)}/{run.resource_id(found.group(1), named)}"
    raise RecordRejected("a deletion must name `Type/id`", code="invalid", expression="request.url")


def _type_of(resource: Any) -> str:
    resource_type = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource_type, str) or resource_type not in type_names("resource"):
        raise RecordRejected("no resource type of FHIR R4", code="not-supported", expression="resourceType")
    return str(resource_type)


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
        request = request_of(entry)
        if request.get("method") == "DELETE":
            yield deleted_reference(str(request.get("url", "")), run)
        elif "resource" not in entry:
            run.note("error", "required", "an entry holds no resource", "Bundle.entry.resource", "")


def _rewritten(resource: Resource, own: str, index: dict[str, str], run: Run) -> Resource:
    """The resource under our id; `meta` keeps what is about content, not about the partner's server.

    What is below it is rewritten in its place: it was parsed for this record, and nobody else has it.
    """
    rewritten: Resource = dict(resource)
    _rewrite(rewritten, index, run)
    rewritten["id"] = own
    meta = resource.get("meta")
    kept = {name: meta[name] for name in _KEPT_META if meta.get(name)} if isinstance(meta, dict) else {}
    rewritten["meta"] = kept
    return rewritten


def _rewrite(node: dict[str, Any], index: dict[str, str], run: Run) -> None:
    for name, item in node.items():
        kind = type(item)
        if kind is dict:
            _rewrite(item, index, run)
        elif kind is list:
            _rewrite_each(item, index, run)
        elif kind is str and (name == "reference" or (name == "url" and _BINARY.fullmatch(item))):
            node[name] = _reference(item, index, run)


def _rewrite_each(items: list[Any], index: dict[str, str], run: Run) -> None:
    for item in items:
        if type(item) is dict:
            _rewrite(item, index, run)
        elif type(item) is list:
            _rewrite_each(item, index, run)


@lru_cache(maxsize=1 << 16)
def _literal(text: str) -> tuple[str, str] | None:
    """Type and id of a literal reference to a resource of FHIR R4."""
    literal = _LITERAL.fullmatch(text)
    return (literal[1], literal[2]) if literal and literal[1] in type_names("resource") else None


def _reference(text: str, index: dict[str, str], run: Run) -> str:
    if text.startswith("#"):
        return text
    if known := index.get(text):
        return known
    if literal := _literal(text):
        kind, key = literal
        return index.get(f"{kind}/{key}") or f"{kind}/{run.resource_id(kind, key)}"
    conditional = _CONDITIONAL.fullmatch(text)
    if conditional and (value := _identifier_value(conditional.group(2))):
        return f"{conditional.group(1)}/{run.resource_id(conditional.group(1), value)}"
    if not _ELSEWHERE.fullmatch(text):
        run.note("error", "not-found", "a reference leads nowhere in this record", "Reference.reference", "")
    return text

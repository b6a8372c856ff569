"""A Binary of a Bundle becomes part of what shows it: an attachment with its content, not its address.

A Binary says of nobody whom it is about, so no consent and no label reaches it; an attachment has those of
its record (decision 0151). https://hl7.org/fhir/R4/binary.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exchange.model.records import Resource

Known = tuple[Resource, str, str]
"""A resource, our id for it, and its own."""
_MOST = 10
"""Attachments that get the content of one Binary: a Bundle could show one often enough to fill any memory."""


def attached(known: Sequence[Known], index: Mapping[str, str]) -> list[Known]:
    """The resources with the Binaries they show in them, and without the Binaries that are shown.

    `index` leads from what an entry is called to our reference. What is below the resources is changed in
    its place. Of more than ten attachments that show one Binary the others keep its address.
    """
    binaries = {f"Binary/{own}": resource for resource, own, _ in known if _has_content(resource)}
    if not binaries:
        return list(known)
    shown: Counter[str] = Counter()
    for resource, _, _ in known:
        if resource["resourceType"] != "Binary":
            _take_in(resource, binaries, index, shown)
    return [one for one in known if f"{one[0]['resourceType']}/{one[1]}" not in shown]


def _has_content(resource: Resource) -> bool:
    return resource["resourceType"] == "Binary" and isinstance(resource.get("data"), str)


def _take_in(
    resource: Resource, binaries: Mapping[str, Resource], index: Mapping[str, str], shown: Counter[str]
) -> None:
    for attachment in _attachments(resource):
        name = index.get(attachment["url"], "")
        if name in binaries and shown[name] < _MOST:
            binary = binaries[name]
            del attachment["url"]
            attachment["data"] = binary["data"]
            if isinstance(binary.get("contentType"), str):
                attachment.setdefault("contentType", binary["contentType"])
            _protect(resource, binary)
            shown[name] += 1


def _attachments(node: Any) -> Iterator[dict[str, Any]]:
    """Every object with an address and without content."""
    if isinstance(node, dict):
        if isinstance(node.get("url"), str) and "data" not in node:
            yield node
        for value in list(node.values()):
            yield from _attachments(value)
    elif isinstance(node, list):
        for value in node:
            yield from _attachments(value)


def _protect(resource: Resource, binary: Resource) -> None:
    """What the source says of how its Binary is protected holds for the record that shows it."""
    meta = binary.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    if isinstance(labels, list) and labels:
        own = resource.get("meta")
        own = own if isinstance(own, dict) else {}
        before = own.get("security")
        resource["meta"] = {**own, "security": [*(before if isinstance(before, list) else ()), *labels]}

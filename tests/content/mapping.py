"""Maps one record with the content of `mappings/`, as a run would."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from exchange.content import load_partners, read_tree
from exchange.mapping import Maps, load_maps, map_record
from exchange.model.ids import resource_id
from exchange.model.records import Mapped, Resource, SourceRecord
from exchange.validation import validate

ROOT = Path(__file__).parents[2] / "mappings"


@cache
def maps_of(partner: str) -> Maps:
    files = read_tree(ROOT)
    return load_maps(files, load_partners(files)[partner])


def mapped(partner: str, feed: str, payload: bytes | Mapping[str, Any], *, deleted: bool = False) -> Mapped:
    maps = maps_of(partner)
    raw = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    record = SourceRecord(partner, feed, "key", maps.partner.feeds[feed].format, raw, "sample", deleted)
    return map_record(record, maps)


def errors(found: Mapped) -> list[tuple[str, str]]:
    """What is wrong with the resources; the maps must leave nothing."""
    issues = [issue for resource in found.resources for issue in validate(resource)]
    return [(issue.expression, issue.detail) for issue in issues if issue.severity == "error"]


def of_type(found: Mapped, resource_type: str) -> list[Resource]:
    return [resource for resource in found.resources if resource["resourceType"] == resource_type]


def the(found: Mapped, resource_type: str) -> Resource:
    """The only resource of a type."""
    (resource,) = of_type(found, resource_type)
    return resource


def id_in(partner: str, resource_type: str, key: str) -> str:
    return resource_id(maps_of(partner).partner.namespace, resource_type, key)


def codes(concept: Mapping[str, Any]) -> list[str]:
    return [coding["code"] for coding in concept["coding"]]

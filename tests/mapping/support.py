"""Small helpers for tests of the mapping engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from exchange.mapping import Maps, load_maps, map_record
from exchange.model.ids import resource_id
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Format, Mapped, SourceRecord

NAMESPACE = "https://example.example/"


def partner_of(kind: Format, path: str = "feed.map.yaml") -> Partner:
    return Partner(
        code="example",
        namespace=NAMESPACE,
        organization=Organization(name="Example", type="clinic", npi="1999999919"),
        agreement=Agreement(type="participation", signed=date(2026, 1, 1)),
        connector=Connector(type="folder"),
        feeds={"feed": Feed(format=kind, map=path)},
    )


def maps_of(kind: Format, text: str, files: Mapping[str, str] | None = None) -> Maps:
    return load_maps({"example/feed.map.yaml": text, **(files or {})}, partner_of(kind))


def record_of(kind: Format, payload: bytes | str, key: str = "key", *, deleted: bool = False) -> SourceRecord:
    raw = payload.encode() if isinstance(payload, str) else payload
    return SourceRecord("example", "feed", key, kind, raw, "sample", deleted)


def mapped(kind: Format, text: str, payload: bytes | str, files: Mapping[str, str] | None = None) -> Mapped:
    return map_record(record_of(kind, payload), maps_of(kind, text, files))


def id_of(resource_type: str, key: str) -> str:
    return resource_id(NAMESPACE, resource_type, key)

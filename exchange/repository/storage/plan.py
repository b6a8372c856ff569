"""What publishing one rendition changes, told from what is there: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from exchange.consent import DisclosureClass, Profile
from exchange.model.records import Resource
from exchange.repository.storage.history import Past
from exchange.repository.storage.items import PublishItem
from exchange.repository.storage.store import Key, Present, Row


@dataclass(frozen=True, slots=True)
class Subject:
    """The source Patient an item is about, and what the person decided; None for an item about nobody.

    `born`: every birth date that is certainly the person's, as FHIR dates.
    """

    patient: int | None = None
    directives: Profile | None = None
    born: frozenset[str] = frozenset()


class Rendition(NamedTuple):
    """One form of an item's resource; `number` is that of its class."""

    key: Key
    item: PublishItem
    resource: Resource
    subject: Subject
    class_: DisclosureClass
    number: int = 0

    @property
    def reference(self) -> tuple[str, UUID]:
        return self.key.type, self.key.fhir_id


class Change(NamedTuple):
    """`older` came after something newer and is history at once; `version` is the number it gets."""

    kind: Literal["new", "newer", "older", "same"]
    rendition: Rendition
    content_hash: bytes
    version: int
    present: Present | None


def change_of(rendition: Rendition, present: Present | None, past: Past | None) -> Change:
    """Compares content and event times with the current version and the history."""
    digest = content_hash(rendition.resource)
    last = max(present.version if present else 0, past.version if past else 0)
    if present is None:
        return Change("new", rendition, digest, last + 1, None)
    if digest == present.content_hash or (_older(rendition, present) and past and digest in past.hashes):
        return Change("same", rendition, digest, present.version, present)
    return Change("older" if _older(rendition, present) else "newer", rendition, digest, last + 1, present)


def _older(rendition: Rendition, present: Present) -> bool:
    time = rendition.item.event_time
    return time is not None and present.event_time is not None and time < present.event_time


def content_hash(resource: Resource) -> bytes:
    """Of everything but the version and time a server gave it.

    >>> content_hash({"id": "1", "meta": {"versionId": "3"}}) == content_hash({"meta": {}, "id": "1"})
    True
    """
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    spelled = orjson.dumps({**resource, "meta": meta}, option=orjson.OPT_SORT_KEYS)
    return blake2b(spelled, digest_size=16).digest()


def row_of(change: Change, rid: int, at: datetime) -> Row:
    """The row of `resource` that a change makes."""
    rendition, item = change.rendition, change.rendition.item
    return Row(
        rid=rid,
        type=rendition.key.type,
        fhir_id=rendition.key.fhir_id,
        rendition=rendition.key.rendition,
        partner=item.partner,
        patient=rendition.subject.patient,
        class_=rendition.number,
        cluster=item.cluster,
        rank=item.trust,
        version=change.version,
        updated=at,
        event_time=item.event_time,
        record=item.record,
        content_hash=change.content_hash,
        mapping_digest=item.mapping_digest,
        rules_digest=item.rules_digest,
        body=served(rendition.resource, change.version, at),
    )


def served(resource: Resource, version: int, at: datetime) -> bytes:
    """The resource's JSON with the version and time of the repository."""
    meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": instant(at)}
    return orjson.dumps({**resource, "meta": meta})


@lru_cache(maxsize=64)
def instant(at: datetime) -> str:
    """FHIR instant in UTC, to the millisecond.

    >>> instant(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
    '2026-11-23T09:00:00.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

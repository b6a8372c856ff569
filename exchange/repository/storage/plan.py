"""What publishing one rendition changes, told from what is there: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from exchange.consent import DisclosureClass, Profile
from exchange.model.errors import Conflict
from exchange.model.records import Resource
from exchange.repository.storage.history import Past
from exchange.repository.storage.items import PublishItem
from exchange.repository.storage.moments import served
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


Kind = Literal["new", "newer", "older", "same", "known"]


class Change(NamedTuple):
    """`older` came after something newer and is history at once, `known` is in the history already.

    `version` is its number, which is told to nobody.
    """

    kind: Kind
    rendition: Rendition
    content_hash: bytes
    version: int
    present: Present | None


def is_late(rendition: Rendition, present: Iterable[Present]) -> bool:
    """Whether the record is older than any form there is of it: then no form of it becomes current."""
    time, newest = rendition.item.event_time, [form.event_time for form in present]
    return time is not None and any(newest) and all(newest) and time < max(filter(None, newest))


def later(time: datetime | None, known: datetime | None) -> datetime | None:
    """The time, if it is later than what is known."""
    return time if time is not None and (known is None or time > known) else None


def change_of(
    rendition: Rendition, present: Present | None, past: Past | None, at: datetime, late: bool
) -> Change:
    """Compares content with the current version and the history.

    Raises Conflict when something was stored meanwhile that is later than `at`, by which this would be named.
    """
    digest = content_hash(rendition.resource)
    last = max(present.version if present else 0, past.version if past else 0)
    if present and digest == present.content_hash:
        return Change("same", rendition, digest, present.version, present)
    if late and past and digest in past.hashes:
        return Change("known", rendition, digest, last, present)
    if any(before and before.updated > at for before in (present, past)):
        raise Conflict("a record was stored by somebody else meanwhile, and later; publish it again")
    kind: Kind = "older" if late else "newer" if present else "new"
    return Change(kind, rendition, digest, last + 1, present)


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
        body=served(rendition.resource, at),
    )

"""What goes into publish() and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from exchange.model.fhir import references
from exchange.model.records import Issue, Labels, Resource

Kind = Literal["published", "unchanged", "withheld", "quarantined"]


class PublishItem(NamedTuple):
    """One labelled resource of one source record, ready to be decided and stored.

    `redacted` is its second rendition, in a less protected class; `patient` the id of the source Patient it
    is about; `cluster` the key of the fact it states, of whose visible members the lowest `trust` is shown;
    `refers` all that the resource refers to, where that was looked for already.
    """

    resource: Resource
    labels: Labels
    redacted: tuple[Resource, Labels] | None
    patient: str | None
    partner: str
    record: int
    event_time: datetime | None
    cluster: bytes | None
    trust: int
    mapping_digest: str
    rules_digest: str
    refers: Sequence[str] | None = None

    def references(self) -> Sequence[str]:
        """All that the resource refers to."""
        return references(self.resource) if self.refers is None else self.refers


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of one item; `because` names the rules that withheld it, `issue` why it was quarantined."""

    kind: Kind
    because: tuple[str, ...] = ()
    issue: Issue | None = None


@dataclass(frozen=True, slots=True)
class PublishResult:
    """`outcomes` in the order of the items; `deleted` counts resources that were there and are gone.

    `relabelled` counts rows of other records that took over a label.
    """

    outcomes: tuple[ItemOutcome, ...]
    deleted: int
    relabelled: int

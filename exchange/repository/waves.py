"""The order in which a batch is stored: repeats once, and no resource twice in one wave.

A hospital's messages say the same of a ward or a doctor thousands of times in one batch. What repeats the
state before it is told with it, so that the number of waves is that of real changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.repository.storage.items import ItemOutcome, PublishItem


@dataclass(frozen=True, slots=True)
class Batch:
    """`states` are the items to store by position; `repeats` leads from a position to the one it repeats."""

    states: Mapping[int, PublishItem]
    repeats: Mapping[int, int]


def without_repeats(items: Sequence[PublishItem]) -> Batch:
    """An item that says what the one before it said of the same resource becomes part of it.

    The state that stays was asserted as late as its last repeat: something older must not replace it.
    """
    states: dict[int, PublishItem] = {}
    repeats: dict[int, int] = {}
    last: dict[tuple[str, str], int] = {}
    for position, item in enumerate(items):
        before = last.get(_key(item))
        if before is not None and _repeats(states[before], item):
            repeats[position] = before
            later = _later(states[before].event_time, item.event_time)
            states[before] = states[before]._replace(event_time=later)
        else:
            states[position] = item
            last[_key(item)] = position
    return Batch(states, repeats)


def waves(states: Mapping[int, PublishItem]) -> Iterator[dict[int, PublishItem]]:
    """Items by position, no resource twice in one wave: the second state of it comes after the first."""
    found: list[dict[int, PublishItem]] = []
    met: dict[tuple[str, str], int] = {}
    for position, item in states.items():
        number = met[_key(item)] = met.get(_key(item), -1) + 1
        if number == len(found):
            found.append({})
        found[number][position] = item
    yield from found


def outcome_of_repeat(first: ItemOutcome) -> ItemOutcome:
    """What became of an item that was told with the one before it.

    >>> outcome_of_repeat(ItemOutcome("published")).kind
    'unchanged'
    >>> outcome_of_repeat(ItemOutcome("withheld", ("opt-out",))).because
    ('opt-out',)
    """
    return ItemOutcome("unchanged") if first.kind == "published" else first


def _key(item: PublishItem) -> tuple[str, str]:
    return item.resource["resourceType"], item.resource["id"]


def _repeats(before: PublishItem, item: PublishItem) -> bool:
    dated = (before.event_time is None) == (item.event_time is None)
    return dated and _said(before) == _said(item)


def _said(item: PublishItem) -> PublishItem:
    return item._replace(record=0, event_time=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else None

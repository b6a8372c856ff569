"""How well records were brought together, measured pair by pair against who they truly are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Record = TypeVar("Record", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts of pairs of records; `review_records` have at least one pair waiting for a steward."""

    true_pairs: int
    linked_pairs: int
    right_pairs: int
    records: int
    review_records: int
    review_pairs: int
    review_right: int

    @property
    def precision(self) -> float:
        return self.right_pairs / self.linked_pairs if self.linked_pairs else 1.0

    @property
    def recall(self) -> float:
        return self.right_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def review_share(self) -> float:
        return self.review_records / self.records if self.records else 0.0

    @property
    def review_precision(self) -> float:
        return self.review_right / self.review_pairs if self.review_pairs else 1.0

    def report(self) -> dict[str, float]:
        """Rates and counts for a table or a file."""
        rates = ("precision", "recall", "f1", "review_share", "review_precision")
        counts = ("records", "true_pairs", "linked_pairs", "right_pairs", "review_pairs")
        return {name: round(getattr(self, name), 6) for name in (*rates, *counts)}


def evaluate(
    persons: Mapping[Record, Hashable],
    truth: Mapping[Record, Hashable],
    review: Collection[tuple[Record, Record]] = (),
) -> Quality:
    """Of the records that both mappings know: found person and true person by record."""
    records = persons.keys() & truth.keys()
    waiting = [(a, b) for a, b in review if a in records and b in records]
    return Quality(
        true_pairs=_pairs(Counter(truth[record] for record in records)),
        linked_pairs=_pairs(Counter(persons[record] for record in records)),
        right_pairs=_pairs(Counter((truth[record], persons[record]) for record in records)),
        records=len(records),
        review_records=len({record for pair in waiting for record in pair}),
        review_pairs=len(waiting),
        review_right=sum(truth[a] == truth[b] for a, b in waiting),
    )


def wrong_pairs(
    persons: Mapping[Record, Hashable], truth: Mapping[Record, Hashable]
) -> list[tuple[Record, Record]]:
    """Pairs of records of two people that were brought together: what to look at first."""
    groups: dict[Hashable, list[Record]] = defaultdict(list)
    for record in persons.keys() & truth.keys():
        groups[persons[record]].append(record)
    return [
        (a, b)
        for group in groups.values()
        for position, a in enumerate(group)
        for b in group[position + 1 :]
        if truth[a] != truth[b]
    ]


def _pairs(sizes: Counter[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())

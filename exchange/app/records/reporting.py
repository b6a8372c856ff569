"""What a partner's latest records hold and the maps leave: unread, unfilled, unmapped, issues."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from exchange.app.opening import Exchange, find_partner
from exchange.app.records.retained import retained
from exchange.mapping.coverage import Position, lost, positions, unread
from exchange.mapping.load import observed_maps
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped, Resource, SourceRecord
from exchange.pipeline.map import map_source
from exchange.pipeline.worklist import Waiting
from exchange.validation.must_support import never_filled


@dataclass(frozen=True, slots=True)
class Report:
    """Counts are records; `lost` is what of `unread` a clinician wrote. No value of any record."""

    partner: str
    records: int
    rejected: int
    unread: dict[str, int]
    lost: dict[str, int]
    losing: int
    never_filled: dict[str, list[str]]
    unmapped: list[Waiting]
    issues: dict[str, int]


def report(exchange: Exchange, code: str, most: int) -> Report:
    """Maps the partner's last records once more, with an observer; nothing is stored."""
    partner = find_partner(exchange.partners, code)
    maps = exchange.work.maps(partner)
    observed = observed_maps(maps)
    counts = _Counts()
    for _, record in retained(exchange, partner, most=most):
        try:
            found = positions(record, observed)
        except RecordRejected:
            found = None
        counts.add(record, found, map_source(record, maps)[0])
    return counts.report(code)


class _Counts:
    """Mutable within one report."""

    def __init__(self) -> None:
        self.records = self.rejected = self.losing = 0
        self.unread, self.lost, self.issues = Counter[str](), Counter[str](), Counter[str]()
        self.unmapped: dict[tuple[str, str, str], tuple[Counter[str], Counter[str], list[int]]] = {}
        self.resources: list[Resource] = []

    def add(self, record: SourceRecord, found: list[Position] | None, mapped: Mapped) -> None:
        self.records += 1
        self.rejected += found is None
        left = lost(found or ())
        self.losing += bool(left)
        self.unread.update(f"{record.feed} {name}" for name in unread(found or ()))
        self.lost.update(f"{record.feed} {name}" for name in left)
        self.issues.update({f"{i.severity} {i.code} {i.expression}: {i.detail}" for i in mapped.issues})
        self.resources.extend(mapped.resources)
        for code in mapped.unmapped:
            key = (code.code_map, code.system, code.code)
            elements, places, records = self.unmapped.setdefault(key, (Counter(), Counter(), []))
            elements[code.element] += 1
            places[code.position] += 1
            if records[-1:] != [self.records]:
                records.append(self.records)

    def report(self, code: str) -> Report:
        waiting = [
            Waiting(code, *key, len(records), sorted(elements), sorted(places))
            for key, (elements, places, records) in self.unmapped.items()
        ]
        return Report(
            partner=code,
            records=self.records,
            rejected=self.rejected,
            unread=dict(self.unread.most_common()),
            lost=dict(self.lost.most_common()),
            losing=self.losing,
            never_filled=never_filled(self.resources),
            unmapped=sorted(waiting, key=lambda each: -each.records),
            issues=dict(self.issues.most_common()),
        )

"""What a partner's latest records hold and the maps leave: unread, unfilled, unmapped, issues."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from exchange.app.opening import Exchange, find_partner
from exchange.app.records.retained import retained
from exchange.mapping.coverage import Position, lost, positions, unread
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped, Resource, SourceRecord
from exchange.pipeline.ledger import Connection
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
    observed = exchange.observed(partner)
    counts = _Counts()
    for record, refused in retained(exchange, partner, most=most):
        if refused is not None:
            counts.add(record, None, Mapped(issues=(refused,)))
            continue
        try:
            found = positions(record, observed)
        except RecordRejected:
            found = None
        counts.add(record, found, map_source(record, maps)[0])
    return counts.report(code)


@dataclass(frozen=True, slots=True)
class Counted:
    """A report as it was counted; `fresh`: the partner has sent nothing since, and its maps are the same."""

    report: Report
    at: datetime
    most: int
    fresh: bool


def counted_report(exchange: Exchange, code: str, most: int) -> Counted:
    """The report that was counted last; counted now where there is none."""
    partner = find_partner(exchange.partners, code)
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT report, at, most, run, maps FROM loss_report WHERE partner = %s", [code]
        ).fetchone()
        now = _last_run(connection, code)
    if row is None:
        return count_report(exchange, code, most)
    held, at, looked_at, run, digest = row
    waiting = [Waiting(**one) for one in held.pop("unmapped")]
    fresh = (run, digest) == (now, exchange.work.maps(partner).digest)
    return Counted(Report(**held, unmapped=waiting), at, looked_at, fresh)


def count_report(exchange: Exchange, code: str, most: int) -> Counted:
    """Counts the report now and keeps it, for whoever looks next."""
    digest, at = exchange.work.maps(find_partner(exchange.partners, code)).digest, exchange.work.now()
    with exchange.work.connect() as connection:
        run = _last_run(connection, code)
    found = report(exchange, code, most)
    with exchange.work.connect() as connection:
        connection.execute(
            "INSERT INTO loss_report (partner, at, run, maps, most, report) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (partner) DO UPDATE SET (at, run, maps, most, report)"
            " = (excluded.at, excluded.run, excluded.maps, excluded.most, excluded.report)",
            [code, at, run, digest, most, Jsonb(asdict(found))],
        )
        connection.commit()
    return Counted(found, at, most, True)


def _last_run(connection: Connection, code: str) -> int:
    row = connection.execute("SELECT max(run) FROM run WHERE partner = %s", [code]).fetchone()
    return int(row[0] or 0) if row else 0


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

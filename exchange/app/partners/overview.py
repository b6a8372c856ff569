"""The partners that send, at a glance: last run, freshness against their schedule, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from exchange.app.opening import Exchange
from exchange.model.partner import Partner
from exchange.pipeline.quarantine import waiting_records

_TREND = 12
_PRESETS = {"@once": None, "@continuous": None}


@dataclass(frozen=True, slots=True)
class Glance:
    """`fresh`: good, late, or never; `trend` is what the last runs pulled, oldest first."""

    partner: str
    name: str
    sends: str
    schedule: str
    run: int | None
    status: str | None
    started: datetime | None
    pulled: int | None
    quarantined: int
    fresh: str
    trend: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overdue:
    """The last run began at `started`; by the schedule one should have begun until `due`."""

    started: datetime
    due: datetime


def glances(exchange: Exchange) -> list[Glance]:
    """One line for each participant that sends."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        runs: dict[str, list[tuple[Any, ...]]] = {}
        for partner, *run in connection.execute(
            "SELECT p.code, r.run, r.status, r.started, r.pulled FROM unnest(%s::text[]) AS p (code)"
            " CROSS JOIN LATERAL (SELECT * FROM run WHERE run.partner = p.code AND kind = 'pull'"
            "  ORDER BY run DESC LIMIT %s) AS r ORDER BY p.code, r.run DESC",
            [[code for code, partner in exchange.partners.items() if partner.feeds], _TREND],
        ):
            runs.setdefault(partner, []).append(tuple(run))
        waiting = waiting_records(connection)
    return [
        _glance(partner, runs.get(partner.code, []), waiting.get(partner.code, 0), at)
        for partner in exchange.partners.values()
        if partner.feeds
    ]


def _glance(partner: Partner, runs: list[tuple[Any, ...]], waiting: int, at: datetime) -> Glance:
    run, status, started, pulled = runs[0] if runs else (None, None, None, None)
    return Glance(
        partner=partner.code,
        name=partner.organization.name,
        sends=", ".join(sorted({feed.format for feed in partner.feeds.values()})),
        schedule=partner.schedule or "",
        run=run,
        status=status,
        started=started,
        pulled=pulled,
        quarantined=waiting,
        fresh="never" if started is None else "late" if overdue(partner, started, at) else "good",
        trend=tuple(found[3] for found in reversed(runs)),
    )


def overdue(partner: Partner, started: datetime, at: datetime) -> Overdue | None:
    """What is late: the schedule has come round twice since, the first of which may be under way."""
    if partner.schedule is None or _PRESETS.get(partner.schedule, "") is None:
        return None
    due = croniter(partner.schedule, started.astimezone(ZoneInfo(partner.timezone)))
    due.get_next(datetime)
    second: datetime = due.get_next(datetime)
    return Overdue(started, second) if second < at else None

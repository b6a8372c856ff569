"""When a record says it was written: no later than it arrived.

The time decides which of two states of a record is the newer one. A clock that ran ahead, or a mistyped year,
would keep every correction out until then, and a revoked consent in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from exchange.pipeline.ledger import Arrival

_TICK = timedelta(microseconds=1)


def not_after(arrivals: Sequence[Arrival], now: datetime) -> list[Arrival]:
    """Times still to come become just now; among themselves they stay in their order."""
    ahead = sorted({time for one in arrivals if (time := one.record.event_time) and time > now}, reverse=True)
    stands_for: dict[datetime | None, datetime] = {
        time: now - place * _TICK for place, time in enumerate(ahead)
    }
    return [
        replace(one, record=replace(one.record, event_time=believed)) if believed else one
        for one in arrivals
        for believed in [stands_for.get(one.record.event_time)]
    ]

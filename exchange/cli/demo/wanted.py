"""Which coalition the demo is asked for, and whether the one that is there is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from typer import BadParameter

from exchange.synthetic import DAYS, ZONE


@dataclass(frozen=True, slots=True)
class Wanted:
    """People, seed, the date of day 1, and the day it shall be."""

    size: int
    seed: int
    today: date
    day: int

    @property
    def date(self) -> date:
        """The date of the wanted day."""
        return self.today + timedelta(days=self.day - 1)


def wanted(coalition: Path, size: int, seed: int, day: int, now: datetime) -> Wanted:
    """What to serve; raises BadParameter where `coalition` holds other people, or a day has not come yet.

    The first day is yesterday, or so long ago that the wanted day is today: no record is of the future.
    Of a coalition that is there it is its own, and a day that has come stays.

    >>> from datetime import UTC
    >>> wanted(Path("nowhere"), 300, 7, 1, datetime(2026, 3, 2, 3, 0, tzinfo=UTC)).today
    datetime.date(2026, 2, 28)
    >>> wanted(Path("nowhere"), 300, 7, 4, datetime(2026, 3, 2, 3, 0, tzinfo=UTC)).date
    datetime.date(2026, 3, 1)
    """
    if day > DAYS:
        raise BadParameter(f"the coalition lives {DAYS} days; there is no day {day}")
    now_there = now.astimezone(ZONE).date()
    path = coalition / "state.json"
    if not path.exists():
        return Wanted(size, seed, now_there - timedelta(days=max(1, day - 1)), day)
    state = json.loads(path.read_text("utf-8"))
    there = Wanted(state["size"], state["seed"], date.fromisoformat(state["today"]), state["day"])
    if (there.size, there.seed) != (size, seed):
        raise BadParameter(
            f"{coalition.parent} holds a community of {there.size} people with seed {there.seed}:"
            f" `make reset` first, or `make demo SIZE={there.size} SEED={there.seed}`"
        )
    target = replace(there, day=max(day, there.day))
    if target.day > there.day and target.date > now_there:
        raise BadParameter(
            f"day {day} is {target.date}, which has not come yet: today is day"
            f" {(now_there - there.today).days + 1}. `make reset` first, and the first day lies further back"
        )
    return target

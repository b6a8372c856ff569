"""What all draws of one person share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from random import Random

from exchange.synthetic.person import Person

AHEAD = 10
"""Days after the reference day for which events are drawn: what later days of the feeds bring."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What the draws of one person share: luck, the day, who knows the person since when."""

    rng: Random
    person: Person
    today: date
    since: dict[str, date]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def last(self) -> date:
        """The last day on which something can happen to the person."""
        return self.person.died or self.today + timedelta(days=AHEAD)

    def day(self, first: date) -> date:
        """A day between `first` and the last; seldom after the reference day."""
        end = min(self.last, self.today)
        if self.last > self.today and self.rng.random() < 0.025:
            return self.today + timedelta(days=self.rng.randrange(1, AHEAD + 1))
        return first + timedelta(days=self.rng.randrange(max(1, (end - first).days + 1)))

    def moment(self, day: date, opens: int = 8, closes: int = 17) -> datetime:
        """A time on a day within opening hours."""
        return datetime.combine(day, time(self.rng.randrange(opens, closes), self.rng.randrange(60)))

    def knows(self, partner: str) -> bool:
        return partner in self.since

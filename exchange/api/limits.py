"""Token buckets: how often one participant, or one address, may ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second in the long run, and at once after a pause."""

    per_second: float
    burst: int


def take(level: float, elapsed: float, rate: Rate) -> tuple[float, float]:
    """Level after taking one request out of a bucket, and seconds to wait first: 0.0 when it may go on.

    >>> take(2.0, 0.0, Rate(1, 2)), take(0.5, 0.0, Rate(1, 2)), take(0.0, 60.0, Rate(1, 2))
    ((1.0, 0.0), (0.5, 0.5), (1.0, 0.0))
    """
    filled = min(float(rate.burst), level + elapsed * rate.per_second)
    return (filled - 1.0, 0.0) if filled >= 1.0 else (filled, (1.0 - filled) / rate.per_second)


class Buckets:
    """One bucket per key, the longest unused forgotten first."""

    def __init__(self, rate: Rate, timer: Callable[[], float]) -> None:
        self._rate, self._timer, self._lock = rate, timer, Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until `key` may ask again; 0.0: now, and this request is counted."""
        with self._lock:
            now = self._timer()
            level, before = self._levels.pop(key, (float(self._rate.burst), now))
            level, seconds = take(level, now - before, self._rate)
            self._levels[key] = (level, now)
            if len(self._levels) > _REMEMBERED:
                self._levels.popitem(last=False)
        return seconds

"""Exit codes, one per thing to do next, and how an error is told on a terminal."""

from __future__ import annotations

from exchange.app.untold import untold
from exchange.model.errors import (
    Conflict,
    ContentError,
    ExchangeError,
    PartnerRefused,
    PartnerUnavailable,
)
from exchange.pipeline.balance import RunOutOfBalance

__all__ = ["CODES", "MEANINGS", "exit_code", "untold"]

CODES: dict[type[ExchangeError], int] = {
    RunOutOfBalance: 10,
    ContentError: 3,
    PartnerUnavailable: 4,
    PartnerRefused: 5,
    Conflict: 6,
    ExchangeError: 1,
}

MEANINGS = """Exit codes: 0 done · 1 failed · 2 wrong usage · 3 fix the file named · 4 the partner's
system is away, try later · 5 the partner refused, a person must act · 6 somebody else is at it ·
10 a run does not balance or a law of the house is broken"""


def exit_code(error: ExchangeError) -> int:
    """The code of the most specific class named in CODES."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))

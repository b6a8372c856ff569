"""Exit codes, one per thing to do next, and how an error is told on a terminal."""

from __future__ import annotations

import traceback
from pathlib import Path

import psycopg

from exchange.model.errors import (
    Conflict,
    ContentError,
    ExchangeError,
    PartnerRefused,
    PartnerUnavailable,
)
from exchange.pipeline.balance import RunOutOfBalance

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


def untold(error: Exception) -> str:
    """What may be said of an error that is not ours: never its text, which may quote a value or a row."""
    if isinstance(error, psycopg.Error):
        state, constraint = error.sqlstate, error.diag.constraint_name
        if state is None or isinstance(error, psycopg.OperationalError):
            return f"the database does not answer{f' ({state})' if state else ''}; exchange database status"
        return f"the database refused, SQLSTATE {state}{f', constraint {constraint}' if constraint else ''}"
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/exchange/" in frame.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
    return f"unexpected, at {where}; please report it"


def exit_code(error: ExchangeError) -> int:
    """The code of the most specific class named in CODES."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))

"""What may be said of an error on a terminal, in a log or in the scheduler's database (law 7)."""

from __future__ import annotations

import traceback
from pathlib import Path

import psycopg

from exchange.model.errors import ExchangeError


class Unexpected(ExchangeError):
    """An error that is not ours, told without its text."""


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


def discreet(error: Exception) -> Exception:
    """The error to raise in its place: of the same kind where that decides on a retry, without its text.

    Its own chain is cut, so that no traceback shows the value that an inner error quotes.
    """
    if isinstance(error, ExchangeError):
        told: Exception = error.with_traceback(None)
    elif isinstance(error, (psycopg.Error, OSError)):
        told = _kind(error)(untold(error))
    else:
        told = Unexpected(f"{type(error).__name__} {untold(error)}")
    told.__cause__ = told.__context__ = None
    return told


def _kind(error: psycopg.Error | OSError) -> type[Exception]:
    """The first class of ours or of the library that takes a text alone."""
    kinds = (psycopg.OperationalError, psycopg.Error) if isinstance(error, psycopg.Error) else (OSError,)
    return next(kind for kind in kinds if isinstance(error, kind))

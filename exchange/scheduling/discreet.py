"""Airflow writes a failed task's traceback to its log: here it learns what may be said, and no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def discreetly(work: Callable[P, T]) -> Callable[P, T]:
    """The same work, failing with an error that quotes nobody's data (`exchange.app.untold`)."""

    @wraps(work)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            from exchange.app.untold import discreet

            told = discreet(error)
        raise told  # outside the handler: an error raised inside it would carry the first one along

    return guarded

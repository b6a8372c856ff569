"""Whether something matches, with a third answer where that is not known.

A permit matches what certainly does, a denial also what may. One that only may match closes, and a permit
inside it opens nothing: it might be an exception to words that are about something else.
"""

from __future__ import annotations

from collections.abc import Iterable

Match = bool | None
"""None: it cannot be told."""


def all_of(answers: Iterable[Match]) -> Match:
    """Stops at the first that does not match."""
    unknown = False
    for answer in answers:
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def any_of(answers: Iterable[Match]) -> Match:
    """Stops at the first that matches."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def reaches(answer: Match, denies: bool) -> bool:
    """Whether a provision is taken to match."""
    return answer is not False if denies else answer is True


def uncertain(number: int) -> int:
    """Stands beside the number of a denial of which it is not known whether the record matches it."""
    return -1 - number

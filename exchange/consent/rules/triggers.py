"""Which patterns can find anything in a text at all: a look at what none of them matches without.

A hundred lists of words searched one after the other cost more than all the rest of labelling; nearly no text
has any of their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache, reduce
from re import _constants as told  # type: ignore[attr-defined]  # the one parser of these patterns there is
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_LETTERS = 3
_ENOUGH = 7
_MANY = 2000
_PLAIN = re.compile(r"[\x00-\x7f\u00ab\u00b0\u00bb\u0400-\u052f\u2000-\u206f]*\Z")
"""Letters of which each has one other case; of others a pattern may match what `lower()` does not give."""

_NOTHING: Set[str] = frozenset(("",))


@dataclass(frozen=True, slots=True)
class Triggers:
    """Numbers of patterns: `always` are searched in every text, others where one of their words stands."""

    always: tuple[int, ...]
    words: Mapping[str, tuple[tuple[str, int], ...]]
    every: tuple[int, ...]

    def of(self, text: str) -> Set[int]:
        """The patterns that may find something in the text."""
        if not _PLAIN.match(text):
            return frozenset(self.every)
        lower = text.lower()
        parts = {lower[at : at + _LETTERS] for at in range(len(lower) - _LETTERS + 1)}
        found = set(self.always)
        for part in parts & self.words.keys():
            found.update(number for word, number in self.words[part] if word in lower)
        return found


def triggers(patterns: Sequence[str]) -> Triggers:
    """The words of these regular expressions, by how they begin; those read without regard to case."""
    always, words = [], dict[str, list[tuple[str, int]]]()
    for number, pattern in enumerate(patterns):
        needed = _words(pattern)
        if _shortest(needed) < _LETTERS:
            always.append(number)
            continue
        for word in {word[:_ENOUGH] for word in needed}:
            words.setdefault(word[:_LETTERS], []).append((word, number))
    by_start = {part: tuple(sorted(found)) for part, found in words.items()}
    return Triggers(tuple(always), by_start, tuple(range(len(patterns))))


@lru_cache(maxsize=1024)
def _words(pattern: str) -> Set[str]:
    """Worked out once: rules are read many times, and patterns change seldom."""
    return _needed(parser.parse(pattern, re.IGNORECASE), _NOTHING)


def _needed(nodes: Iterable[tuple[Any, Any]], before: Set[str]) -> Set[str]:
    """Words of which every match has one, the longer the better; `before` stands before the first node."""
    best, here = _NOTHING, before
    for kind, value in nodes:
        whole = _whole(kind, value)
        longer = _joined(here, whole) if whole is not None else None
        if longer is not None:
            here = longer
            continue
        best = max(best, here, _within(kind, value, here), key=_shortest)
        here = _NOTHING
    return max(best, here, key=_shortest)


def _within(kind: Any, value: Any, before: Set[str]) -> Set[str]:
    if kind is told.BRANCH:
        each = [_needed(branch, before) for branch in value[1]]
        return frozenset().union(*each)
    if kind is told.SUBPATTERN:
        return _needed(value[3], before)
    repeated = kind in (told.MAX_REPEAT, told.MIN_REPEAT) and value[0] > 0
    return _needed(value[2], before) if repeated else _NOTHING


def _whole(kind: Any, value: Any) -> Set[str] | None:
    """All that a node may match, where that is few words; what only looks around matches nothing."""
    if kind is told.LITERAL:
        return {chr(value).lower()}
    if kind is told.IN:
        return _letters(value)
    if kind is told.SUBPATTERN:
        return _row(value[3])
    if kind is told.BRANCH:
        rows = [_row(branch) for branch in value[1]]
        return None if None in rows else frozenset().union(*(row for row in rows if row))
    if kind in (told.MAX_REPEAT, told.MIN_REPEAT) and value[:2] == (0, 1):
        row = _row(value[2])
        return None if row is None else row | _NOTHING
    return _NOTHING if kind in (told.AT, told.ASSERT, told.ASSERT_NOT) else None


def _row(nodes: Iterable[tuple[Any, Any]]) -> Set[str] | None:
    found: list[Set[str] | None] = [_whole(kind, value) for kind, value in nodes]
    start: Set[str] | None = _NOTHING
    return reduce(
        lambda one, next_: None if one is None or next_ is None else _joined(one, next_), found, start
    )


def _joined(one: Set[str], other: Set[str]) -> Set[str] | None:
    if len(one) * len(other) > _MANY:
        return None
    return {first + second for first in one for second in other}


def _letters(members: Iterable[tuple[Any, Any]]) -> Set[str] | None:
    """Those of `[abc]`; None for what is negated, a category or a long stretch."""
    found = set()
    for kind, value in members:
        if kind is told.LITERAL:
            found.add(chr(value).lower())
        elif kind is told.RANGE and value[1] - value[0] < 12:
            found.update(chr(letter).lower() for letter in range(value[0], value[1] + 1))
        else:
            return None
    return found


def _shortest(words: Set[str]) -> int:
    return min(map(len, words), default=0)

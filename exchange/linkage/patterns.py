"""The agreement of two records as one number, as databases carry it between our comparison and Splink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from exchange.linkage.agreement import LEVELS, Known, agree
from exchange.linkage.features import Features

Compare = Callable[[str, str], int]
_BITS = 4
_REMEMBERED = 200_000


def pattern(levels: Mapping[str, str]) -> int:
    """Four bits for each field of `LEVELS`: the place of its level from one on, zero for absent."""
    return sum(
        (names.index(levels[field]) + 1) << (_BITS * place)
        for place, (field, names) in enumerate(LEVELS.items())
        if field in levels
    )


def level_of(expression: str, field: str) -> str:
    """SQL for the place of the level of a field in the pattern that an SQL expression gives."""
    return f"(({expression} >> {_BITS * list(LEVELS).index(field)}) & {2**_BITS - 1})"


def comparing(known: Known) -> Compare:
    """The pattern of two records as texts; Splink asks for every field of a pair anew, so pairs are kept."""
    read = lru_cache(maxsize=_REMEMBERED)(lambda text: Features.from_json(orjson.loads(text)))

    @lru_cache(maxsize=_REMEMBERED)
    def compare_texts(a: str, b: str) -> int:
        return pattern(agree(read(a), read(b), known).levels)

    return compare_texts


@lru_cache(maxsize=1)
def comparing_broadcast(known: Any) -> Compare:
    """`comparing` in a Spark worker, of what the driver broadcast."""
    return comparing(known.value)

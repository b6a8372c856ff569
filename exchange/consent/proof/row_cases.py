"""Whether some case would notice another line in `minors.csv`: one less, or one that begins a year off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from exchange.consent.rules.minors import OF_AGE, Minors, MinorsRow
from exchange.consent.rules.ruleset import Rules

Breaks = Callable[[Rules], bool]


def idle_rows(rules: Rules, breaks: Breaks) -> tuple[str, ...]:
    """What could stand in the table instead, by its place; `breaks` says whether a case fails under rules."""
    return tuple(
        f"{row.place}: {what}"
        for row in rules.minors.rows
        for what, instead in _others(row)
        if not breaks(_with(rules, row, instead))
    )


def _others(row: MinorsRow) -> Iterator[tuple[str, Sequence[MinorsRow]]]:
    yield "without the line nothing fails", ()
    for age in (row.age_from - 1, row.age_from + 1):
        if 0 <= age < OF_AGE and (row.age_from or age == 0):
            yield f"with age_from {age} nothing fails", (replace(row, age_from=age),)


def _with(rules: Rules, row: MinorsRow, instead: Sequence[MinorsRow]) -> Rules:
    rows = [new for one in rules.minors.rows for new in (instead if one is row else (one,))]
    return replace(rules, minors=Minors(tuple(rows)))

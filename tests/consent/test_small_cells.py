"""Counts of people that are shown to many: no cell of 1 to 10, and none that follows from what is shown."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest

from exchange.app.partners.suppressing import SMALL, suppressed, suppressed_part


@pytest.mark.parametrize(
    ("count", "shown"), [(0, 0), (1, None), (9, None), (10, None), (11, 10), (15, 20), (104, 100)]
)
def test_a_cell_of_ten_is_hidden_one_of_eleven_and_none_are_shown(count, shown):
    cells = {("a", "x"): count, ("a", "y"): 40, ("b", "x"): 30, ("b", "y"): 200}
    assert suppressed(cells, "ab", "xy")["a", "x"] == shown


def test_with_a_cell_others_of_its_row_and_column_are_hidden_the_smallest_first():
    counts = (10, 50, 90, 30, 70, 80, 60, 95, 0)
    cells = dict(zip(product("abc", "xyz"), counts, strict=True))
    hidden = {"".join(cell) for cell, shown in suppressed(cells, "abc", "xyz").items() if shown is None}
    assert hidden == {"ax", "ay", "bx", "by"}


@pytest.mark.parametrize(
    ("total", "part", "shown"),
    [
        (120, 10, (120, None)),
        (120, 11, (120, 10)),
        (120, 110, (120, None)),
        (120, 109, (120, 110)),
        (120, 0, (120, 0)),
        (120, 120, (120, 120)),
        (10, 10, (None, None)),
        (10, 0, (None, None)),
        (0, 0, (0, 0)),
    ],
)
def test_a_total_less_a_cell_gives_no_small_cell(total, part, shown):
    assert suppressed_part(total, part) == shown


def test_whatever_is_shown_nobody_can_say_that_a_part_is_small():
    """Somebody who knows how figures are made tries every pair of counts that fits what he reads."""
    fitting = defaultdict(list)
    for total in range(160):
        for part in range(total + 1):
            fitting[suppressed_part(total, part)].append((part, total - part))
    for (total, part), pairs in fitting.items():
        small = [pair for pair in pairs if any(0 < count <= SMALL for count in pair)]
        if part is not None:
            assert small == [], (total, part)
        elif total is not None and total > 20:
            assert {first <= SMALL for first, _ in small} == {True, False}, (total, part)

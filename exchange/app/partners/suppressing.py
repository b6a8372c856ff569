"""Counts of people that may be shown to many: small ones hidden, and none that gives a hidden one away.

Cell-size suppression policy of the US Centers for Medicare & Medicaid Services: no count from 1 to 10, and no
other figure from which one could be derived. Counts that are shown are rounded, so that yesterday's and
today's do not tell of one person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SMALL = 10
_STEP = 10

Cells = Mapping[tuple[str, str], int]


def suppressed(
    cells: Cells, rows: Sequence[str], columns: Sequence[str]
) -> dict[tuple[str, str], int | None]:
    """None for what is hidden; in every row and column none or at least two cells are.

    >>> shown = suppressed({("a", "x"): 4, ("a", "y"): 52, ("b", "x"): 31, ("b", "y"): 120}, "ab", "xy")
    >>> shown[("a", "x")], shown[("a", "y")], shown[("b", "x")], shown[("b", "y")]
    (None, None, None, None)
    >>> suppressed({("a", "x"): 0, ("a", "y"): 57}, "a", "xy")
    {('a', 'x'): 0, ('a', 'y'): 60}
    """
    hidden = {cell for cell, count in cells.items() if 0 < count <= SMALL}
    lines = [[(row, column) for column in columns] for row in rows]
    lines += [[(row, column) for row in rows] for column in columns]
    while lonely := [
        line for line in lines if len(hidden.intersection(line)) == 1 and _others(line, hidden, cells)
    ]:
        hidden.add(min(_others(lonely[0], hidden, cells), key=lambda cell: (cells[cell], cell)))
    return {cell: None if cell in hidden else rounded(count) for cell, count in cells.items()}


def suppressed_part(total: int, part: int) -> tuple[int | None, int | None]:
    """A total and a part of it; the part is hidden also where the rest of the total is small.

    >>> suppressed_part(120, 10), suppressed_part(120, 110), suppressed_part(120, 60)
    ((120, None), (120, None), (120, 60))
    >>> suppressed_part(9, 0), suppressed_part(120, 0), suppressed_part(120, 120)
    ((None, None), (120, 0), (120, 120))
    """
    if 0 < total <= SMALL:
        return None, None
    small = any(0 < count <= SMALL for count in (part, total - part))
    return rounded(total), None if small else rounded(part)


def suppressed_alone(count: int) -> int | None:
    """A count that no other figure is a part of.

    >>> suppressed_alone(0), suppressed_alone(10), suppressed_alone(11)
    (0, None, 10)
    """
    return None if 0 < count <= SMALL else rounded(count)


def rounded(count: int) -> int:
    """To the nearest ten. A count that is not small is never shown as none.

    >>> rounded(0), rounded(11), rounded(57), rounded(105)
    (0, 10, 60, 110)
    """
    return (count + _STEP // 2) // _STEP * _STEP if count else 0


def _others(
    line: Sequence[tuple[str, str]], hidden: set[tuple[str, str]], cells: Cells
) -> list[tuple[str, str]]:
    return [cell for cell in line if cell not in hidden and cells.get(cell, 0) > 0]

"""Columns that a proposed map leaves out although their names say what they are, and the values at fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.formats.delimited import rows
from exchange.formats.profile import Column, days_that_contradict, does_not_look_like
from exchange.formats.recognise import Role, named_like, recognise
from exchange.formats.table_layout import Layout
from exchange.model.records import Issue

_RIGHT = {
    "date": "2026-11-28", "sex": "F, M, female, male", "phone": "217-555-0100", "ten digits": "1234567893",
    "e-mail": "name@example.org", "ZIP code": "62701", "social security number": "900-12-3456",
    "number": "207", "ICD-10-CM code": "E11.9", "LOINC code": "4548-4",
}  # fmt: skip


def overlooked(payload: bytes, saved: Layout, columns: Sequence[Column]) -> list[Issue]:
    """A warning for each such column: how many of its values, in which line for example, what would be right.

    >>> table = b"id,dob\\n1,1980-01-02\\n2,soon\\n3,1990-05-06\\n"
    >>> from exchange.formats.profile import profile_table
    >>> [(one.expression, one.position) for one in overlooked(table, Layout(), profile_table(table))]
    [('dob', 'line 3')]
    """
    return list(_overlooked(payload, saved, columns))


def _overlooked(payload: bytes, saved: Layout, columns: Sequence[Column]) -> Iterator[Issue]:
    recognised = recognise(columns)
    known, taken = {item.column.name for item in recognised}, {item.role for item in recognised}
    for column in columns:
        role = named_like(column.name) if column.name not in known else None
        if role is not None and role.name not in taken and column.looks_like != "nothing":
            issue = _told(column.name, role, _values(payload, saved, column.name))
            yield from [issue] if issue else []


def _values(payload: bytes, saved: Layout, name: str) -> list[tuple[int, str]]:
    """(line, value) where there is one; rows that are broken have none."""
    options = {"delimiter": saved.delimiter, "skip": saved.skip}
    found = [
        (line, str(row[name]).strip())
        for line, row, problem in rows(payload, saved.encoding, options)
        if problem is None
    ]
    return [(line, value) for line, value in found if value]


def _told(name: str, role: Role, values: Sequence[tuple[int, str]]) -> Issue | None:
    right = _RIGHT[role.shapes[0]]
    others = [line for line, value in values if does_not_look_like(value, role.shapes)]
    if others:
        return Issue(
            "warning", "value",
            f"left out of the map: of its {len(values)} values {len(others)} cannot be read as what its name"
            f" says; right would be values such as {right}",
            name, f"line {others[0]}",
        )  # fmt: skip
    contradicting = [line for line, value in values if days_that_contradict(value)]
    if role.shapes[0] == "date" and contradicting:
        return Issue(
            "warning", "value",
            f"left out of the map: of its {len(values)} days some have the month first, and"
            f" {len(contradicting)} can only have the day first; right would be one way in every row,"
            f" such as {right}",
            name, f"line {contradicting[0]}",
        )  # fmt: skip
    return None

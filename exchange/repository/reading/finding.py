"""How the rows of a page are found: by walking while that promises a page soon, else by sorting all matches.

Whichever way is taken, the rows are the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from exchange.repository.reading.ordered import is_ordered, ordered_sql, range_of
from exchange.repository.reading.page import position_of
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import Reader, Shown, select
from exchange.repository.reading.sorting import SortKey
from exchange.repository.reading.statement import Statement, page_sql, sorted_sql, statement_of
from exchange.repository.reading.walk import (
    FIRST,
    SECOND,
    START,
    Stretch,
    enough,
    is_found_by_index,
    stored_records,
    walks,
    wider,
)
from exchange.repository.reading.windows import begins_late

Rows = list[Any]


def found_rows(reader: Reader, query: Query, statement: Statement, key: bytes) -> Rows:
    """The rows of the page and one more, if there is one, each with the values it is sorted by."""
    if walks(query) or is_ordered(query):
        near = statement_of(reader, query, few=True) if _is_looked_up(query) else statement
        if walks(query):
            last = UUID(position_of(reader, query, key)[0]) if query.cursor is not None else START
            rows = _by_id(reader, query, near, last, query.count + 1)
        else:
            rows = _in_order(reader, query, near, key)
        if rows is not None:
            return rows
        sql = sorted_sql(reader, query, statement, key, by_index=is_found_by_index(query))
    else:
        sql = page_sql(reader, query, statement, key)
    return select(reader, sql, statement.arguments.values)


def _is_looked_up(query: Query) -> bool:
    """Whether plans that do not know what is asked must be told that it is asked about few records.

    What has a code is found by record and code together in any case.
    """
    return _asks_back(query) or any(c.parameter.kind != "token" for c in query.where.criteria)


def _asks_back(query: Query) -> bool:
    return bool(query.where.reverses or query.where.chains)


def _by_id(reader: Reader, query: Query, statement: Statement, last: UUID, wanted: int) -> Rows | None:
    """Those after an id in order of it; None when that promises no page soon."""
    stored = max(stored_records(reader), 1)
    stretch: Stretch | None = Stretch(last, FIRST / stored)
    while stretch is not None:
        sql = page_sql(reader, query, statement, b"", stretch)
        rows = select(reader, sql, statement.arguments.values)
        if len(rows) >= wanted or stretch.is_last:
            return rows[:wanted]
        further = 0 if _asks_back(query) else _further(query, stored)
        if not rows and stretch.share < further / stored:
            stretch = Stretch(last, further / stored)
        else:
            stretch = wider(stretch, len(rows), wanted, stored)
    return None


def _further(query: Query, stored: int) -> int:
    """How far to look where the first stretch had none: many may match, or no index leads to what does."""
    many = stored > FIRST * SECOND or not is_found_by_index(query)
    return SECOND if many and not _asks_back(query) else SECOND // 4


def _in_order(reader: Reader, query: Query, statement: Statement, key: bytes) -> Rows | None:
    """The same in the order of another key, along the index of its values."""
    first, wanted = query.sort[0], query.count + 1
    begin, end = first.ends
    if query.cursor is not None:
        begin, last = first.read(position_of(reader, query, key)[0]), position_of(reader, query, key)[-1]
        if begin == end:
            return _without_value(reader, query, statement, UUID(last), wanted)
    else:
        begin = begins_late(reader, query.where.criteria, first) or begin
    stored = max(stored_records(reader), 1)
    length: int | None = FIRST
    while length is not None:
        within = range_of(reader, query, begin, length)
        sql = ordered_sql(reader, query, statement, key, within)
        rows = select(reader, sql, statement.arguments.values)
        if len(rows) == wanted:
            return rows
        if within.until is None:
            others = _without_value(reader, query, statement, START, wanted - len(rows))
            return None if others is None else [*rows, *others]
        # What happened at one time is alike: to have met none there says less than it does of records by id.
        further = _further(query, stored)
        if not rows and length < further:
            length = further
        else:
            share = enough(length / stored, len(rows), wanted, stored)
            # Twice at least: the last value may have held many.
            length = max(2 * length, int(share * stored)) if share else None
    return None


def _without_value(
    reader: Reader, query: Query, statement: Statement, last: UUID, wanted: int
) -> Rows | None:
    """Those that come last, since they have no value, after an id in order of it."""
    first = query.sort[0]
    if first.parameter is None:
        return []
    by_id = SortKey("_id", False)
    if query.sort[1:] != (by_id,):
        return None
    without = f"{statement.sorted_by[0]} = {statement.arguments.add(first.missing)}"
    told = Statement(f"{statement.asked} AND {without}", statement.arguments, ("r.fhir_id",))
    rows = _by_id(reader, replace(query, sort=(by_id,)), told, last, wanted)
    width = len(Shown._fields)
    return None if rows is None else [(*row[:width], first.missing, *row[width:]) for row in rows]

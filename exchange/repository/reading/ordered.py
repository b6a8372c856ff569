"""Pages in order of a date, a number, a name or the time of storage, along its index.

A record stands where its first value in this order does. So many values that the viewer sees are looked at of
all; with the last of them, all records that have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exchange.repository.reading.page import position_of
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import Reader, select
from exchange.repository.reading.sorting import SortKey, after_sql
from exchange.repository.reading.statement import ASKED_OF, Statement, first_sql, named_values, order_sql
from exchange.repository.reading.walk import names_people


@dataclass(frozen=True, slots=True)
class Range:
    """Values in the order of a key, both ends within it; `until` None: to the last there is."""

    begin: Any
    until: Any | None


def is_ordered(query: Query) -> bool:
    """Whether an index goes in the order asked for, of the records of everybody."""
    return query.sort[0].name != "_id" and not names_people(query)


def range_of(reader: Reader, query: Query, begin: Any, length: int) -> Range:
    """The next so many values from one on, or all that are left, and whatever is equal to the last."""
    key, statement = query.sort[0], Statement.empty()
    arguments = statement.arguments
    table, column = key.place
    own = _own(query, statement, "w")
    within = _within(key, f"w.{column}", Range(begin, None), statement)
    found = select(
        reader,
        f"SELECT w.{column} FROM {table} w WHERE {own} AND {within}"
        f" ORDER BY w.{column} {'DESC' if key.descending else 'ASC'}"
        f" OFFSET {arguments.add(length)} LIMIT 1",
        arguments.values,
    )
    return Range(begin, found[0][0] if found else None)


def ordered_sql(reader: Reader, query: Query, statement: Statement, key: bytes, within: Range) -> str:
    """The statement of what of a page is within a range; raises CursorRefused."""
    first, arguments = query.sort[0], statement.arguments
    table, column = first.place
    alias = "w" if first.parameter else "r"
    by = (f"{alias}.{column}", *statement.sorted_by[1:])
    conditions = [_own(query, statement, alias), _within(first, by[0], within, statement)]
    source = "resource r"
    if first.parameter:
        source = f"{table} w JOIN resource r ON r.rid = w.rid"
        sign = ">" if first.descending else "<"  # of equal values one counts, whichever it is
        conditions.append(
            f"NOT EXISTS (SELECT FROM {table} o WHERE o.rid = w.rid AND o.param = w.param"
            f" AND (o.{column}, o.ctid) {sign} (w.{column}, w.ctid) OFFSET 0)"
        )
    if query.cursor is not None:
        conditions.append(after_sql(query.sort, position_of(reader, query, key), by, arguments))
    columns, _ = named_values(by)
    every = (
        f"SELECT {ASKED_OF}, {columns} FROM {source} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {order_sql(query.sort, by)}"
    )
    return first_sql(query, arguments, every, statement.where)


def _own(query: Query, statement: Statement, alias: str) -> str:
    """What leads to the part of the index that has these values."""
    parameter = query.sort[0].parameter
    if parameter is None:
        return f"{alias}.type = {statement.arguments.add(query.type)}"
    return f"{alias}.param = {statement.arguments.add(parameter.key)}"


def _within(key: SortKey, column: str, within: Range, statement: Statement) -> str:
    """Both ends: by one alone a plan that does not know its value takes it for a third of the table."""
    from_, to = (">", "<") if not key.descending else ("<", ">")
    begin = statement.arguments.add(within.begin)
    if within.until is None:  # what stands for no value is after all of them
        return f"{column} {from_}= {begin} AND {column} {to} {statement.arguments.add(key.ends[1])}"
    return f"{column} {from_}= {begin} AND {column} {to}= {statement.arguments.add(within.until)}"

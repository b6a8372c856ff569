"""A search as SQL: the statement of one page, and the conditions it shares with its total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.page import position_of
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, SHOWN, Reader
from exchange.repository.reading.sorting import SortKey, after_sql
from exchange.repository.reading.walk import Stretch
from exchange.repository.reading.where import where_sql

ASKED_OF = "r.rid, r.type, r.fhir_id, r.rendition, r.patient, r.class, r.updated, r.cluster, r.rank"
"""All of a record that conditions ask about."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is asked of a record `r` by itself, as SQL, with the values it is sorted by."""

    asked: str
    arguments: Arguments
    sorted_by: tuple[str, ...]

    @property
    def where(self) -> str:
        """The same, of duplicates of the best alone."""
        return f"{self.asked} AND {BEST_OF_CLUSTER}"

    @staticmethod
    def empty() -> Statement:
        """One under construction."""
        return Statement("true", Arguments(), ())


def statement_of(reader: Reader, query: Query, *, few: bool = False) -> Statement:
    """The search as SQL; people it speaks of are looked up now. `few`: it is asked about few records."""
    arguments = Arguments()
    asked = where_sql(reader, query.where, arguments, few=few)
    by = tuple(key.sql(arguments) for key in query.sort)
    return Statement(asked, arguments, by)


def page_sql(
    reader: Reader, query: Query, statement: Statement, key: bytes, within: Stretch | None = None
) -> str:
    """The statement of one page, or of what of it is within a stretch; raises CursorRefused."""
    arguments, by = statement.arguments, statement.sorted_by
    after = within.sql(arguments, "r.fhir_id") if within else _after(reader, query, statement, key)
    return (
        f"SELECT {SHOWN}, {', '.join(by)} FROM resource r WHERE {statement.where} AND {after}"
        f" ORDER BY {order_sql(query.sort, by)} LIMIT {arguments.add(query.count + 1)}"
    )


def sorted_sql(
    reader: Reader, query: Query, statement: Statement, key: bytes, *, by_index: bool = False
) -> str:
    """The same page of all that match, in order first: which is the best of duplicates is asked of the page.

    `by_index`: they are found by what is asked, and not in the order of the page in the hope to meet enough.
    """
    columns, by = named_values(statement.sorted_by)
    after = _after(reader, query, statement, key)
    every = f"SELECT {ASKED_OF}, {columns} FROM resource r WHERE {statement.asked} AND {after}"
    if by_index:
        every = f"SELECT * FROM ({every} OFFSET 0) AS r"  # a plan that does not know its values would hope
    every += f" ORDER BY {order_sql(query.sort, by)}"
    return first_sql(query, statement.arguments, every, BEST_OF_CLUSTER)


def first_sql(query: Query, arguments: Arguments, every: str, condition: str) -> str:
    """The page of records in order, `every` with the values it is sorted by, for which a condition holds.

    OFFSET 0: what is asked of each ends with the page, and bodies are read of the page alone.
    """
    by = [f"by{n}" for n in range(len(query.sort))]
    here, there = ([f"{alias}.{name}" for name in by] for alias in ("r", "p"))
    page = (
        f"SELECT r.rid, {', '.join(here)} FROM ({every} OFFSET 0) AS r WHERE {condition}"
        f" ORDER BY {order_sql(query.sort, here)} LIMIT {arguments.add(query.count + 1)}"
    )
    return (
        f"SELECT {SHOWN}, {', '.join(there)} FROM ({page}) AS p JOIN resource r ON r.rid = p.rid"
        f" ORDER BY {order_sql(query.sort, there)}"
    )


def named_values(by: Sequence[str]) -> tuple[str, list[str]]:
    """The values that `first_sql` sorts by as columns, and the names they have."""
    names = [f"by{n}" for n in range(len(by))]
    return ", ".join(f"{sql} AS {name}" for sql, name in zip(by, names, strict=True)), names


def _after(reader: Reader, query: Query, statement: Statement, key: bytes) -> str:
    if query.cursor is None:
        return "true"
    return after_sql(query.sort, position_of(reader, query, key), statement.sorted_by, statement.arguments)


def order_sql(keys: Sequence[SortKey], columns: Sequence[str]) -> str:
    """ORDER BY of columns that hold the values of the keys."""
    return ", ".join(
        f"{column} {'DESC' if key.descending else 'ASC'}" for key, column in zip(keys, columns, strict=True)
    )

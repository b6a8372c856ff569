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


@dataclass(frozen=True, slots=True)
class Statement:
    """FROM and WHERE of a search over `resource r`, with the values it is sorted by."""

    where: str
    arguments: Arguments
    sorted_by: tuple[str, ...]

    @staticmethod
    def empty() -> Statement:
        """One under construction."""
        return Statement("true", Arguments(), ())


def statement_of(reader: Reader, query: Query, *, few: bool = False) -> Statement:
    """The search as SQL; people it speaks of are looked up now. `few`: it is asked about few records."""
    arguments = Arguments()
    where = where_sql(reader, query.where, arguments, few=few)
    by = tuple(key.sql(arguments) for key in query.sort)
    return Statement(f"{where} AND {BEST_OF_CLUSTER}", arguments, by)


def page_sql(
    reader: Reader,
    query: Query,
    statement: Statement,
    key: bytes,
    within: Stretch | None = None,
    *,
    rare: bool = False,
) -> str:
    """The statement of one page, or of what of it is within a stretch; raises CursorRefused.

    `rare`: of all that match first, and sorted then, since there are few.
    """
    arguments, by = statement.arguments, statement.sorted_by
    after = "true"
    if within is not None:
        after = within.sql(arguments, "r.fhir_id")
    elif query.cursor is not None:
        after = after_sql(query.sort, position_of(reader, query, key), by, arguments)
    found = f"FROM resource r WHERE {statement.where} AND {after}"
    if rare:
        # OFFSET 0: a plan that does not know its values hopes to meet enough on the way through all records.
        names = [f"by{n}" for n in range(len(by))]
        columns = ", ".join(f"{column} AS {name}" for column, name in zip(by, names, strict=True))
        found = f"FROM (SELECT {SHOWN}, {columns} {found} OFFSET 0) AS r"
        by = tuple(f"r.{name}" for name in names)
    return (
        f"SELECT {SHOWN}, {', '.join(by)} {found}"
        f" ORDER BY {order_sql(query.sort, by)} LIMIT {arguments.add(query.count + 1)}"
    )


def order_sql(keys: Sequence[SortKey], columns: Sequence[str]) -> str:
    """ORDER BY of columns that hold the values of the keys."""
    return ", ".join(
        f"{column} {'DESC' if key.descending else 'ASC'}" for key, column in zip(keys, columns, strict=True)
    )

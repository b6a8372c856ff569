"""Index rows stand in their tables as they were written."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from exchange.repository.storage.dates import EARLIEST, LATEST
from exchange.repository.storage.index import IndexRows
from exchange.repository.storage.packed import COLUMNS, Owner
from exchange.repository.storage.store import rewrite_index

NEW_YEAR = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=ZoneInfo("America/Chicago"))
ROWS = IndexRows(
    tokens={(-(2**63), -(2**31), 2**31 - 1), (2**63 - 1, 0, 1)},
    references={(UUID(int=1), 7), (UUID(int=2**128 - 1), -7)},
    dates={(EARLIEST, LATEST, 1), (NEW_YEAR, datetime(1969, 7, 20, 20, 17, tzinfo=UTC), 2)},
    strings={(1, "munoz", "Muñoz"), (2, "", ""), (3, "\u2028漢", "\U0001f600")},
    quantities={(1.5e300, 1, 2, -0.1, 3, 4), (0.0, -1, -2, 5e-324, 0, 9)},
)
WRITTEN = (ROWS.tokens, ROWS.references, ROWS.dates, ROWS.strings, ROWS.quantities)
OWNERS = (Owner(2**40, 5, 6), Owner(1, None, -3))


@pytest.mark.parametrize("encoding", ["utf8", "sql_ascii"])
def test_rows_of_somebody_and_of_nobody_come_back(module_database, encoding):
    with psycopg.connect(module_database, client_encoding=encoding) as connection:
        rewrite_index(connection, [(owner, ROWS) for owner in OWNERS])
        connection.execute("SET client_encoding = 'utf8'")
        kept = {table: _read(connection, table, columns) for table, columns in COLUMNS.items()}
        connection.rollback()
    for table, rows in zip(COLUMNS, WRITTEN, strict=True):
        assert kept[table] == {(*row, *owner) for row in rows for owner in OWNERS}


def _read(connection, table, columns):
    rows = connection.execute(f"SELECT {columns}, rid, patient, class FROM {table}").fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)

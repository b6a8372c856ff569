"""Lists as parameters arrive as psycopg's own writing of them would."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.repository import write_lists_quickly

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)
ODD = st.sampled_from(["", "NULL", "null", '"', "\\", "{}", "a,b", " a ", "\t", '","', "é", "\u2028"])


@pytest.fixture(scope="module")
def connection(module_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(module_database) as found:
        write_lists_quickly(found)
        yield found


@settings(max_examples=75)
@given(items=st.lists(st.one_of(ODD, TEXTS, st.none()), max_size=6))
def test_texts_come_back(connection: psycopg.Connection, items: list[str | None]) -> None:
    assert connection.execute("SELECT %s::text[]", [items]).fetchone() == (items,)


@settings(max_examples=40)
@given(items=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.none()), max_size=6))
def test_whole_numbers_come_back(connection: psycopg.Connection, items: list[int | None]) -> None:
    assert connection.execute("SELECT %s::bigint[]", [items]).fetchone() == (items,)


@pytest.mark.parametrize("items", [[[1, 2], [3, 4]], [True, False], [b"a\\", b'"'], [1.5, 2.5]])
def test_other_lists_come_back_as_ever(connection: psycopg.Connection, items: list[object]) -> None:
    assert connection.execute("SELECT %s", [items]).fetchone() == (items,)


def test_a_zero_byte_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text[]", [["a\0b"]])


def test_lists_in_lists_come_back(connection: psycopg.Connection) -> None:
    items = [["a", '"'], ["\\", "{"]]
    assert connection.execute("SELECT %s::text[]", [items]).fetchone() == (items,)


def test_texts_are_written_as_the_connection_says(module_database):
    """libpq takes its encoding from PGCLIENTENCODING, where somebody has set it."""
    for encoding in ("latin1", "sql_ascii"):
        with psycopg.connect(module_database, client_encoding=encoding) as connection:
            write_lists_quickly(connection)
            assert connection.execute(
                "SELECT %s::text[] = ARRAY[U&'\\00E9', 'a']", [["é", "a"]]
            ).fetchone() == (True,)

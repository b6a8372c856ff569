"""Permits stand in `disclosure` as they were decided, however many there are."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from exchange.model.records import Decision
from exchange.repository.disclosure.permit_rows import Permit, write_permits

CHICAGO = ZoneInfo("America/Chicago")
START, END = datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2027, 7, 1, 0, 0, 0, 1, CHICAGO)
BARE = Decision("permit", ())
OWING = Decision(
    "permit",
    ("part2-consent", 'consent:0:"a",\\{b}', "NULL", "право"),
    frozenset({"redisclosure-notice", "consent-copy"}),
    needs_relationship=True,
    until=END,
)
READ = (
    "SELECT viewer, class, valid_from, valid_until, needs_relationship, obligations, because, action"
    " FROM disclosure ORDER BY viewer, class, action"
)


@pytest.fixture
def nothing_permitted(module_database):
    with psycopg.connect(module_database) as connection:
        connection.execute("DELETE FROM disclosure")
        yield connection
        connection.rollback()


def test_every_value_of_a_permit_comes_back(nothing_permitted):
    permits = [
        Permit([2**31 - 1, 7], 3, "disclose", START, END, OWING),
        Permit([7], 3, "access", START, END, BARE),
        Permit([], 4, "any", START, END, BARE),
    ]
    write_permits(nothing_permitted, permits)
    owed, because = ["consent-copy", "redisclosure-notice"], list(OWING.because)
    assert nothing_permitted.execute(READ).fetchall() == [
        (7, 3, START, END, False, [], [], "access"),
        (7, 3, START, END, True, owed, because, "disclose"),
        (2**31 - 1, 3, START, END, True, owed, because, "disclose"),
    ]


def test_more_than_are_sent_at_once_are_all_there(nothing_permitted):
    permits = (Permit(list(range(100)), number, "any", START, END, OWING) for number in range(40))
    write_permits(nothing_permitted, permits)
    kept = nothing_permitted.execute("SELECT count(*), sum(viewer * 1000 + class) FROM disclosure").fetchone()
    assert kept == (4000, sum(viewer * 1000 + number for viewer in range(100) for number in range(40)))


def test_none_is_no_error(nothing_permitted):
    write_permits(nothing_permitted, [])
    assert nothing_permitted.execute(READ).fetchall() == []


def test_what_fails_while_it_is_decided_writes_nothing(nothing_permitted):
    def failing():
        yield Permit([1], 1, "any", START, END, BARE)
        raise ZeroDivisionError

    nothing_permitted.execute("SAVEPOINT before")
    with pytest.raises(ZeroDivisionError):
        write_permits(nothing_permitted, failing())
    nothing_permitted.execute("ROLLBACK TO before")
    assert nothing_permitted.execute(READ).fetchall() == []

"""A run's connections are lent again and again, each as if it were new."""

from dataclasses import fields

import psycopg
import pytest

from exchange.pipeline.work import Work, lasting


@pytest.fixture
def work(module_database):
    return Work(
        **{**dict.fromkeys(f.name for f in fields(Work)), "connect": lambda: psycopg.connect(module_database)}
    )


def _process(connection):
    return connection.info.backend_pid


def _fail_after(work, statement):
    with work.connect() as connection:
        connection.execute(statement)
        raise LookupError


def test_a_connection_is_lent_again_and_closed_at_the_end(work):
    with lasting(work) as kept:
        with kept.connect() as one, kept.connect() as another:
            assert _process(one) != _process(another)
            used = {_process(one), _process(another)}
        for _ in range(3):
            with kept.connect() as again:
                assert _process(again) in used
    assert one.closed
    assert another.closed


def test_what_a_use_wrote_is_committed_and_what_failed_is_not(work):
    with lasting(work) as kept:
        with kept.connect() as connection:
            connection.execute("CREATE TABLE scratch (number int)")
            connection.execute("INSERT INTO scratch VALUES (1)")
        with pytest.raises(LookupError):
            _fail_after(kept, "INSERT INTO scratch VALUES (2)")
        with kept.connect() as connection:
            assert connection.execute("TABLE scratch").fetchall() == [(1,)]
            connection.execute("DROP TABLE scratch")


def test_a_connection_that_broke_is_not_lent_again(work):
    with lasting(work) as kept:
        with pytest.raises(psycopg.OperationalError):
            _fail_after(kept, "SELECT pg_terminate_backend(pg_backend_pid())")
        with kept.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

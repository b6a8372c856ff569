"""Fixtures of the repository's tests."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from repository_world import AT, World, coalition

from exchange.consent import Context
from exchange.repository.disclosure.registering import register_participants


@pytest.fixture(scope="session")
def context() -> Context:
    return coalition()


@pytest.fixture
def world(connection: psycopg.Connection, context: Context) -> World:
    register_participants(connection, context, AT)
    connection.commit()
    return World(connection, context)


@pytest.fixture(scope="module")
def shared_world(module_database: str, context: Context) -> Iterator[World]:
    """One world for all tests of a module: prepared once, then only read."""
    with psycopg.connect(module_database) as conn:
        register_participants(conn, context, AT)
        conn.commit()
        yield World(conn, context)

"""An audit log with a few records, and the keys that seal it."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.crypto import new_signing_key, public_key
from tests.databases import empty


@pytest.fixture
def at():
    return datetime(2026, 6, 1, 17, 0, tzinfo=UTC)


@pytest.fixture
def requester():
    return Requester(
        client="lakeside-ehr",
        participant="lakeside_hospital",
        organization="Lakeside Hospital, 1 Shore Rd, Springfield IL",
        role="organization",
        purpose="TREAT",
        token="5c9f",
    )


@pytest.fixture
def circumstances(at):
    return Circumstances(at, "https://hie.example", "192.0.2.7", "req-1")


@pytest.fixture
def patients():
    return [f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 11)]


@pytest.fixture
def write(requester, circumstances):
    """Appends a record per Patient in the transaction of the connection given."""

    def append_query(conn, patients):
        shown = [Disclosed(patient) for patient in patients]
        append(conn, query_entries(requester, circumstances, "Patient?name=x", shown))

    return append_query


@pytest.fixture(scope="session")
def private_key():
    return new_signing_key()


@pytest.fixture(scope="session")
def verification_key(private_key):
    return public_key(private_key)


@pytest.fixture
def database(module_database, module_janitor):
    """Made once for a module and emptied for each test: a new one would take most of a test's time."""
    empty(module_janitor)
    return module_database


@pytest.fixture
def log(connection, write, patients):
    """An idle connection to a log of ten records."""
    write(connection, patients)
    connection.commit()
    return connection


@pytest.fixture
def intruder(database, log):
    """A database administrator who switches the triggers off."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        yield conn

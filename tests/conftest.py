"""Fixtures shared by all tests: one embedded PostgreSQL per run, one database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest

from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate

# A program that a test starts; to look into it for examples would bring Airflow into every process of a run.
collect_ignore = ["scheduling/dag_process.py"]
_FOLDER = "EXCHANGE_TEST_POSTGRES"
_ROOM = 4 << 30  # bytes; a whole run of the tests takes less than half of it
_TEMPLATE = "exchange_template"
# The tests' databases need not survive a power cut.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "256MB",
}


# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("exchange", deadline=None)
hypothesis.settings.load_profile("exchange")


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the run owns the server's folder; workers of xdist inherit it."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="exchange-test-", dir=_in_memory())
        config.stash[_OWNED] = Path(os.environ[_FOLDER])


def _in_memory() -> Path | None:
    """A file system without a disk behind it, where there is room: a test's database is hundreds of files."""
    folder = Path("/dev/shm")
    roomy = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM
    return folder if roomy else None


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_OWNED, None)
    if folder is not None:
        embedded.stop(folder)
        shutil.rmtree(folder)
        del os.environ[_FOLDER]


_OWNED: pytest.StashKey[Path] = pytest.StashKey()


@pytest.fixture(scope="session")
def database_server() -> str:
    """URL of the maintenance database of a server that lives for this run."""
    url = embedded.ensure_running(Path(os.environ[_FOLDER]), _SETTINGS)
    return embedded.url_with(url, database="postgres")


@pytest.fixture(scope="session")
def database_template(database_server: str) -> str:
    """Name of the migrated database that each test's database is a copy of."""
    with psycopg.connect(database_server, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(1)")
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,)).fetchone():
            scratch = f"scratch_{uuid4().hex}"
            migrate(embedded.ensure_database(database_server, scratch))
            conn.execute(f"ALTER DATABASE {scratch} RENAME TO {_TEMPLATE}")
    return _TEMPLATE


# Row by row and only where there are any: to truncate every table takes ten times as long.
_EMPTY = """
DO $$
DECLARE filled regclass;
BEGIN
    FOR filled IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('migration', 'audit_head') AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE 'DELETE FROM ' || filled;
    END LOOP;
    UPDATE audit_head SET sequence = 0, hash = decode(repeat('00', 32), 'hex');
    PERFORM setval('latest_instant', 0);
END $$
"""


def emptied(url: str) -> str:
    """The same database without a row, as a new one would be; triggers and foreign keys have no say."""
    with psycopg.connect(url, autocommit=True, options="-c session_replication_role=replica") as conn:
        conn.execute(_EMPTY)
    return url


@contextmanager
def copied_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield embedded.url_with(server, database=name)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_server: str, database_template: str) -> Iterator[str]:
    """URL of a migrated, empty database for this test alone."""
    with copied_database(database_server, database_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(database_server: str, database_template: str) -> Iterator[str]:
    """The same for all tests of a module, which must not write once it is prepared."""
    with copied_database(database_server, database_template) as url:
        yield url


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """An open connection to this test's database; rolled back at the end unless the test commits."""
    conn = psycopg.connect(database)
    yield conn
    conn.close()

"""Fixtures shared by all tests: one embedded PostgreSQL per run, one database per test."""

from __future__ import annotations

import atexit
import gc
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
from tests.databases import as_new, copy_database, drop_database, emptied_if_reusable, janitor, make_reusable

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


# How long an example takes says more about the machine than about the code; each run draws others.
hypothesis.settings.register_profile("exchange", deadline=None, max_examples=50)
hypothesis.settings.load_profile("exchange")


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the run owns the server's folder; workers of xdist inherit it."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="exchange-test-", dir=_in_memory())
        config.stash[_OWNED] = Path(os.environ[_FOLDER])


def pytest_collection_finish() -> None:
    """What was imported stays: to look through it for garbage again and again took a seventh of a run.

    Later as seldom as the exchange's own processes do, see `open_exchange`.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.unfreeze)  # libraries that look for leaks at the end would find all of it


def pytest_sessionfinish() -> None:
    """pytest collects garbage to the end, five times over, of processes that end anyway."""
    gc.freeze()


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
            url = embedded.ensure_database(database_server, scratch)
            migrate(url)
            make_reusable(url)
            conn.execute(f"ALTER DATABASE {scratch} RENAME TO {_TEMPLATE}")
    return _TEMPLATE


@contextmanager
def copied_database(server: str, template: str) -> Iterator[str]:
    url = copy_database(server, template)
    yield url
    drop_database(server, url)


@pytest.fixture(scope="session")
def spare_databases() -> list[tuple[str, psycopg.Connection]]:
    """URLs of databases that a test left as good as new, each with what empties it."""
    return []


@pytest.fixture(scope="session")
def kept_connections() -> dict[str, psycopg.Connection]:
    """By URL, what a test left as good as new."""
    return {}


@pytest.fixture
def database(
    database_server: str,
    database_template: str,
    spare_databases: list[tuple[str, psycopg.Connection]],
    kept_connections: dict[str, psycopg.Connection],
) -> Iterator[str]:
    """URL of a migrated, empty database for this test alone."""
    if spare_databases:
        url, emptying = spare_databases.pop()
    else:
        url = copy_database(database_server, database_template)
        emptying = janitor(url)
    yield url
    if emptied_if_reusable(emptying, kept_connections.get(url)):
        spare_databases.append((url, emptying))
    else:
        emptying.close()
        drop_database(database_server, url)


@pytest.fixture(scope="module")
def module_database(database_server: str, database_template: str) -> Iterator[str]:
    """The same for all tests of a module, which must not write once it is prepared."""
    with copied_database(database_server, database_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_janitor(module_database: str) -> Iterator[psycopg.Connection]:
    """Empties the module's database, where its tests write after all."""
    with janitor(module_database) as conn:
        yield conn


@pytest.fixture
def connection(
    database: str, kept_connections: dict[str, psycopg.Connection]
) -> Iterator[psycopg.Connection]:
    """An open connection to this test's database; rolled back at the end unless the test commits."""
    conn = kept_connections.pop(database, None) or psycopg.connect(database)
    yield conn
    if as_new(conn):
        kept_connections[database] = conn
    else:
        conn.close()

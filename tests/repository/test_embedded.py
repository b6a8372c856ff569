"""The embedded server is shared, outlives its starter, and survives being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from exchange.repository.database import embedded

_SMALL = {"shared_buffers": "16MB", "max_connections": "20"}
_START = (
    "import sys, pathlib; from exchange.repository.database import embedded;"
    f"print(embedded.ensure_running(pathlib.Path(sys.argv[1]), {_SMALL!r}))"
)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "pg"
    embedded.stop(tmp_path / "pg")


def _start_in_a_process(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", _START, str(folder)], check=True, capture_output=True, text=True
    ).stdout.strip()


def _postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_processes_that_start_at_the_same_moment_share_one_server(folder):
    with ThreadPoolExecutor(3) as threads:
        urls = set(threads.map(lambda _: _start_in_a_process(folder), range(3)))
    assert len(urls) == 1
    with psycopg.connect(urls.pop()) as conn:
        assert conn.execute("SHOW shared_buffers").fetchone() == ("16MB",)


def test_the_server_outlives_the_process_that_started_it(folder):
    url = _start_in_a_process(folder)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept (n int)")
    assert embedded.ensure_running(folder) == url


def test_what_was_committed_survives_a_kill_of_the_server(folder):
    url = embedded.ensure_running(folder, _SMALL)
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(_postmaster(folder), signal.SIGKILL)
    with psycopg.connect(embedded.ensure_running(folder, _SMALL)) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_path_too_long_for_a_socket_still_works(tmp_path):
    folder = tmp_path / ("long" * 25) / "pg"
    try:
        with psycopg.connect(embedded.ensure_running(folder, _SMALL)) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        embedded.stop(folder)


def test_the_server_log_never_quotes_a_row(folder):
    url = embedded.ensure_running(folder, _SMALL)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE person (name text UNIQUE)")
        conn.execute("INSERT INTO person VALUES ('Marisol')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute("INSERT INTO person VALUES (%s)", ("Marisol",))
        with pytest.raises(psycopg.errors.UndefinedColumn):
            conn.execute("SELECT nothing FROM person WHERE name = 'Marisol'")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            conn.execute("SELECT 'Marisol'::int")
    assert "Marisol" not in (folder / "log").read_text()

"""A whole database out and in, by PostgreSQL's own pg_dump and pg_restore.

Passwords go through the environment, never over a command line that others can list.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exchange.model.errors import ContentError, ExchangeError
from exchange.repository.database.embedded import program

_ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}


@contextmanager
def dumped(url: str) -> Iterator[IO[bytes]]:
    """The database in pg_dump's custom format, to be read to its end; ExchangeError when it is not whole."""
    command = [program("pg_dump"), "--format=custom", "--compress=1", "--no-password"]
    with TemporaryFile() as told:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, env=_environment(url))
        with run:
            if run.stdout is None:
                raise ExchangeError("pg_dump has no output")
            yield run.stdout
        _check(run, "pg_dump", told)


def restore_dump(url: str, pieces: Iterable[bytes]) -> None:
    """Fills an empty database; raises ExchangeError, and then nothing of it is kept."""
    name = str(conninfo_to_dict(url).get("dbname") or "")
    command = [
        program("pg_restore"),
        "--single-transaction",
        "--exit-on-error",
        "--no-password",
        "--dbname",
        name,
    ]
    with TemporaryFile() as told:
        run = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=told, env=_environment(url))
        if run.stdin is None:
            raise ExchangeError("pg_restore has no input")
        try:
            for piece in pieces:
                run.stdin.write(piece)
            run.stdin.close()
        except BrokenPipeError:
            pass  # it ended first, and says why
        except BaseException:
            run.kill()
            run.wait()
            raise
        run.wait()
        _check(run, "pg_restore", told)


def _check(run: subprocess.Popen[bytes], name: str, told: IO[bytes]) -> None:
    """Its messages may quote rows: only the first line, which names the object, is passed on."""
    if run.returncode:
        told.seek(0)
        first = told.readline().decode(errors="replace").strip()
        raise ExchangeError(f"{name} failed: {first[:300]}")


def require_empty(url: str) -> None:
    """Raises ContentError when the database holds anything: a restore never writes over data."""
    with psycopg.connect(url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone()
    if row is None or row[0]:
        raise ContentError(
            "the database is not empty; restore into a new one",
            field="EXCHANGE_DATABASE_URL or EXCHANGE_DATA",
        )


def create_reader_role(url: str) -> None:
    """The role the grants of a dump speak of; roles belong to the server and are in no dump."""
    with psycopg.connect(url, autocommit=True) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'exchange_api'").fetchone():
            conn.execute("CREATE ROLE exchange_api LOGIN")


def _environment(url: str) -> Mapping[str, str]:
    found = conninfo_to_dict(url)
    unknown = sorted(set(found) - set(_ENVIRONMENT))
    if unknown:
        raise ContentError(f"a backup does not know {', '.join(unknown)}", field="EXCHANGE_DATABASE_URL")
    named = {_ENVIRONMENT[name]: str(value) for name, value in found.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, **named}

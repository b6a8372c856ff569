"""One of the two sides of this exchange: a transaction in which the API answers and nothing stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from exchange.api import Service
from exchange.api.export import jobs
from exchange.api.export.files import Exports
from exchange.api.export.produce import produce
from exchange.app.prove.comparing import Answer
from exchange.pipeline.ledger import Connection

_TABLES = ("export_job", "export_file")
_OWN = "(SELECT job FROM export_job WHERE client = %(client)s AND state <> 'gone')"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A connection lent as a pool lends one; whatever is done with it is undone, its locks too.

    The record of a disclosure that nobody got would be false, and its lock would stop the API that runs.
    What an export of `client` has come to is carried on to the next request: it is asked about in several.
    """

    held: Connection
    client: str

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        before = came_to = self._exports()
        self.held.execute("SAVEPOINT rehearsal")
        try:
            yield self.held
            if self.held.info.transaction_status == TransactionStatus.INTRANS:
                self.held.execute("RESET ROLE")
                came_to = self._exports()
        finally:
            self.held.execute("ROLLBACK TO SAVEPOINT rehearsal; RELEASE SAVEPOINT rehearsal")
        if came_to != before:
            self._carry_on(came_to)

    def as_pool(self) -> ConnectionPool[psycopg.Connection]:
        """What a Service takes."""
        return cast("ConnectionPool[psycopg.Connection]", self)

    def _exports(self) -> list[object]:
        """The rows of each table that are about an export of the client."""
        own = {"client": self.client}
        found = [
            self.held.execute(
                f"SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t), '[]') FROM {table} t"
                f" WHERE job IN {_OWN}",
                own,
            ).fetchone()
            for table in _TABLES
        ]
        return [row[0] for row in found if row]

    def _carry_on(self, came_to: list[object]) -> None:
        self.held.execute("DELETE FROM export_job WHERE client = %s", [self.client])
        for table, rows in zip(_TABLES, came_to, strict=True):
            self.held.execute(
                f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, %s)",
                [Jsonb(rows)],
            )


@dataclass(frozen=True, slots=True)
class Kept:
    """A connection lent as a pool lends one; what is done with it stays until somebody undoes it all."""

    held: Connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with self.held.transaction():
            yield self.held
            self.held.execute("RESET ROLE")

    def as_pool(self) -> ConnectionPool[psycopg.Connection]:
        """What a Service takes."""
        return cast("ConnectionPool[psycopg.Connection]", self)


@contextmanager
def undone(held: Connection) -> Iterator[None]:
    """What the block did is undone: rows, locks, settings."""
    held.execute("SAVEPOINT undone")
    try:
        yield
    finally:
        held.execute("ROLLBACK TO SAVEPOINT undone; RELEASE SAVEPOINT undone")


def finished(service: Service, client: str, ask: Callable[[], Answer]) -> list[Answer]:
    """Status of the client's export before it is worked on and after; nobody else's job is touched."""
    before = ask()
    with service.pool.connection() as conn:
        conn.execute("UPDATE export_job SET state = 'running' WHERE client = %s", [client])
    with service.pool.connection() as conn:
        job = jobs.of_client(conn, client)
    if job and service.exports:
        produce(service, service.exports, job)
    return [before, ask()]


def without_others(service: Service, rehearsal: Rehearsal | Kept, folder: str) -> Service:
    """The service on this one connection, its exports in a folder of its own, worked on when asked for."""
    exports = Exports(folder, service.exports.keyring) if service.exports else None
    return replace(service, pool=rehearsal.as_pool(), exports=exports, standby=None)

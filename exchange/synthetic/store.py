"""A FHIR system's database: one SQLite file with versions, the system's own clock, and deletions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS resource (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, updated TEXT NOT NULL,
    digest BLOB NOT NULL, load INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS resource_updated ON resource (type, updated, id);
CREATE TABLE IF NOT EXISTS deleted (type TEXT NOT NULL, id TEXT NOT NULL, deleted TEXT NOT NULL);
"""
_UPSERT = """
INSERT INTO resource VALUES (?, ?, 1, ?, ?, ?, ?)
ON CONFLICT (type, id) DO UPDATE SET
    version = version + (digest <> excluded.digest),
    updated = CASE WHEN digest <> excluded.digest THEN excluded.updated ELSE updated END,
    digest = excluded.digest, load = excluded.load, body = excluded.body
"""


def utc(moment: datetime) -> str:
    """An instant as the store keeps and sorts it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Store:
    """Resources by type and id; the digest tells whether a newly loaded one says anything new."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.at: datetime | None = None
        self.generation = 0
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.connection.executescript(_SCHEMA)

    def begin(self, at: datetime | None) -> None:
        """Start to replace the whole content; what changes is dated `at`, or as its meta says when None."""
        self.at = at
        self.generation = 1 + self._value("SELECT coalesce(max(load), 0) FROM resource")
        self.connection.execute("BEGIN")

    def add(self, resources: Iterable[dict[str, Any]]) -> None:
        """Resources of the new content, each once."""
        self.connection.executemany(_UPSERT, (self._row(resource) for resource in resources))

    def finish(self) -> None:
        """Commit; what was not added again is deleted."""
        gone = "FROM resource WHERE load < ?"
        when = utc(self.at or datetime.now(UTC))
        self.connection.execute(f"INSERT INTO deleted SELECT type, id, ? {gone}", (when, self.generation))
        self.connection.execute(f"DELETE {gone}", (self.generation,))
        self.connection.execute("COMMIT")

    def _row(self, resource: dict[str, Any]) -> tuple[Any, ...]:
        said = datetime.fromisoformat(resource["meta"]["lastUpdated"])
        body = orjson.dumps(resource)
        digest = sha256(body).digest()[:16]
        return resource["resourceType"], resource["id"], utc(self.at or said), digest, self.generation, body

    def _value(self, query: str, parameters: tuple[Any, ...] = ()) -> int:
        return int(self.connection.execute(query, parameters).fetchone()[0])

    def count(self, kind: str, since: str) -> int:
        """How many resources of a type changed at or after an instant."""
        return self._value("SELECT count(*) FROM resource WHERE type = ? AND updated >= ?", (kind, since))

    def page(self, kind: str, since: str, after: tuple[str, str], size: int) -> list[tuple[str, str, bytes]]:
        """(updated, id, body) in that order, the next `size` behind the position `after`."""
        found = self.connection.execute(
            "SELECT updated, id, version, body FROM resource WHERE type = ? AND updated >= ?"
            " AND (updated, id) > (?, ?) ORDER BY updated, id LIMIT ?",
            (kind, since, *after, size),
        )
        return [(updated, local, _dated(body, updated, version)) for updated, local, version, body in found]

    def get(self, kind: str, local: str) -> bytes | None:
        """One resource."""
        query = "SELECT updated, version, body FROM resource WHERE type = ? AND id = ?"
        row = self.connection.execute(query, (kind, local)).fetchone()
        return _dated(row[2], row[0], row[1]) if row else None

    def everything(self, kind: str, since: str) -> Iterator[bytes]:
        """All resources of a type that changed after an instant, page by page."""
        position = ("", "")
        while page := self.page(kind, since, position, 1000):
            yield from (body for _, _, body in page)
            position = page[-1][:2]

    def deletions(self, since: str) -> list[tuple[str, str]]:
        """(type, id) of what was deleted after an instant."""
        query = "SELECT type, id FROM deleted WHERE deleted > ? ORDER BY type, id"
        return [(kind, local) for kind, local in self.connection.execute(query, (since,))]

    def close(self) -> None:
        self.connection.close()


def _dated(body: bytes, updated: str, version: int) -> bytes:
    resource = orjson.loads(body)
    resource["meta"] |= {"versionId": str(version), "lastUpdated": updated}
    return orjson.dumps(resource)

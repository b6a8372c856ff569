"""Jobs of exports in the database: one row each, worked on by whoever holds its lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange.model.records import Viewer

State = Literal["accepted", "running", "done", "failed", "gone"]
_COLUMNS = (
    "job::text, participant, role, purpose, client, scopes, asked, at, key, state, position, lines, files,"
    " lease, expires"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `export_job`; `position` says up to where files are written."""

    job: str
    participant: str
    role: str
    purpose: str
    client: str
    scopes: str
    asked: Mapping[str, Any]
    at: datetime
    key: bytes
    state: State
    position: Mapping[str, Any]
    lines: int
    files: int
    lease: datetime
    expires: datetime

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.participant, self.role, self.purpose)


@dataclass(frozen=True, slots=True)
class File:
    """A file that is whole; `kind` output or deleted."""

    ordinal: int
    kind: str
    type: str
    lines: int


def claim(conn: psycopg.Connection, at: datetime, until: datetime) -> Job | None:
    """The job that waits longest; until then nobody else gets it."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM claim_export(%s, %s)", (at, until)).fetchone()


def note(
    conn: psycopg.Connection,
    job: Job,
    lease: datetime,
    state: State = "running",
    position: Mapping[str, Any] | None = None,
    file: File | None = None,
) -> bool:
    """Keeps the lease, and says how far the job has come; False when it is no longer this process's."""
    row = conn.execute(
        "SELECT note_export(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            job.job,
            job.lease,
            lease,
            state,
            None if position is None else Jsonb(position),
            file.ordinal if file else None,
            file.kind if file else None,
            file.type if file else None,
            file.lines if file else None,
        ),
    ).fetchone()
    return bool(row and row[0])


def find(conn: psycopg.Connection, job: str, client: str, viewer: Viewer) -> Job | None:
    """The job, for the very client, role and purpose that asked for it; the caller has entered their view."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM export_job WHERE job = %s AND client = %s AND state <> 'gone'"
            " AND (participant, role, purpose) = (%s, %s, %s) AND expires > current_instant()",
            (UUID(job), client, viewer.participant, viewer.role, viewer.purpose),
        ).fetchone()


def of_client(conn: psycopg.Connection, client: str) -> Job | None:
    """The latest job of a client, for who works on exports."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM export_job WHERE client = %s AND state <> 'gone'"
            " ORDER BY lease DESC LIMIT 1",
            (client,),
        ).fetchone()


def files_of(conn: psycopg.Connection, job: str) -> list[File]:
    """Files in the order they were written."""
    with conn.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(
            "SELECT ordinal, kind, type, lines FROM export_file WHERE job = %s ORDER BY ordinal", (UUID(job),)
        ).fetchall()

"""The outbox: events written in the transaction that caused them, for whoever subscribed to their topic.

A topic nobody subscribed to leaves no row. Ids and kinds only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
import psycopg

from exchange.model.delivery import Topic
from exchange.model.records import Resource
from exchange.repository.storage.store import Key
from exchange.repository.storage.topics import COMPARED, topics_of


class Stored(NamedTuple):
    """A record's form as it is stored now, and the row it replaces (None: it was not there)."""

    key: Key
    resource: Resource
    replaces: int | None
    partner: str
    patient: int | None
    event_time: datetime | None


_Event = tuple[str, Key, str, int | None, datetime | None]


def states_before(conn: psycopg.Connection, stored: Iterable[Stored]) -> dict[int, Resource]:
    """What the rows to be replaced say, where a topic depends on it; to be asked before they go."""
    rids = [s.replaces for s in stored if s.replaces is not None and s.key.type in COMPARED]
    if not rids or not _wanted(conn):
        return {}
    rows = conn.execute("SELECT rid, body FROM resource WHERE rid = ANY(%s)", (rids,)).fetchall()
    return {rid: orjson.loads(body) for rid, body in rows}


def note_stored(
    conn: psycopg.Connection, stored: Sequence[Stored], before: dict[int, Resource], at: datetime
) -> None:
    """Writes the events of records that were stored."""
    wanted = _wanted(conn) if stored else set()
    if wanted:
        _write(conn, [event for s in stored for event in _events(s, before, wanted)], at)


def _events(s: Stored, before: dict[int, Resource], wanted: set[str]) -> Iterable[_Event]:
    earlier = before.get(s.replaces, s.resource) if s.replaces is not None else None
    for topic in topics_of(earlier, s.resource):
        if topic in wanted:
            yield topic, s.key, s.partner, s.patient, s.event_time


def note_deleted(conn: psycopg.Connection, rids: Sequence[int], at: datetime) -> None:
    """Writes that these rows are about to go because their source deleted them."""
    topic: Topic = "resource-deleted"
    if not rids or topic not in _wanted(conn):
        return
    rows = conn.execute(
        "SELECT type, fhir_id, partner, patient FROM resource WHERE rid = ANY(%s) AND rendition = 0",
        (list(rids),),
    ).fetchall()
    _write(
        conn, [(topic, Key(kind, key, 0), partner, patient, at) for kind, key, partner, patient in rows], at
    )


def _wanted(conn: psycopg.Connection) -> set[str]:
    """Topics that somebody subscribed to."""
    rows = conn.execute("SELECT DISTINCT unnest(topics) FROM subscription WHERE ended IS NULL").fetchall()
    return {row[0] for row in rows}


def _write(conn: psycopg.Connection, events: Sequence[_Event], at: datetime) -> None:
    if not events:
        return
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "COPY outbox (topic, at, happened, type, fhir_id, rendition, partner, patient) FROM STDIN"
        ) as copy,
    ):
        for topic, key, partner, patient, happened in events:
            copy.write_row((topic, at, happened, *key, partner, patient))

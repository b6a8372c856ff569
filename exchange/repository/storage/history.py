"""The past of the repository's rows: earlier versions, deletions, and what came too late to be current."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from exchange.repository.storage.store import Key, Row, remove


class Past(NamedTuple):
    """What the history says of one key."""

    version: int
    updated: datetime
    hashes: frozenset[bytes]


def past(conn: psycopg.Connection, references: Iterable[tuple[str, UUID]]) -> dict[Key, Past]:
    """Highest version number, latest moment and known contents in the history, by key."""
    pairs = set(references)
    rows = conn.execute(
        "SELECT type, fhir_id, rendition, max(version), max(updated),"
        "  array_remove(array_agg(content_hash), NULL)"
        " FROM resource_history"
        " JOIN unnest(%s::text[], %s::uuid[]) AS wanted (type, fhir_id) USING (type, fhir_id)"
        " GROUP BY 1, 2, 3",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {Key(*row[:3]): Past(row[3], row[4], frozenset(row[5])) for row in rows}


def archive(conn: psycopg.Connection, rids: Sequence[int]) -> None:
    """Copies rows as they are into the history."""
    conn.execute(
        "INSERT INTO resource_history (type, fhir_id, rendition, version, partner, patient, class, updated,"
        " event_time, record, content_hash, body)"
        " SELECT type, fhir_id, rendition, version, partner, patient, class, updated, event_time, record,"
        " content_hash, body FROM resource WHERE rid = ANY(%s)",
        (list(rids),),
    )


def vanish(conn: psycopg.Connection, rids: Sequence[int]) -> None:
    """Archives a form that its record has no more; should it come again, its history begins anew.

    Who is shown that form could not tell what the record was meanwhile, and is not to be told that it was.
    """
    if not rids:
        return
    archive(conn, rids)
    conn.execute(
        "UPDATE resource_history h SET late = true FROM resource r WHERE r.rid = ANY(%s)"
        " AND (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition)",
        (list(rids),),
    )


def entomb(conn: psycopg.Connection, rids: Sequence[int], at: datetime) -> None:
    """Notes in the history that rows are deleted, as one version more that ends those before."""
    conn.execute(
        "UPDATE resource_history h SET gone = true, ending = false FROM resource r WHERE r.rid = ANY(%s)"
        " AND (h.type, h.fhir_id) = (r.type, r.fhir_id)",
        (list(rids),),
    )
    conn.execute(
        "INSERT INTO resource_history (type, fhir_id, rendition, version, partner, patient, class, updated,"
        " deleted, gone, ending)"
        " SELECT type, fhir_id, rendition, 1 + greatest(version, (SELECT max(version) FROM resource_history h"
        "  WHERE (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition))),"
        " partner, patient, class, greatest(%s, updated + interval '1 microsecond'), true, true, true"
        " FROM resource r WHERE rid = ANY(%s)",
        (at, list(rids)),
    )


def revive(conn: psycopg.Connection, references: Iterable[tuple[str, UUID]]) -> None:
    """Notes in the history that resources are there again after they had been deleted."""
    pairs = sorted(set(references))
    if pairs:
        conn.execute(
            "UPDATE resource_history h SET gone = false, ending = false"
            " FROM unnest(%s::text[], %s::uuid[]) AS n (type, fhir_id)"
            " WHERE h.gone AND (h.type, h.fhir_id) = (n.type, n.fhir_id)",
            ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
        )


def withdraw_rows(conn: psycopg.Connection, rids: Sequence[int]) -> None:
    """Deletes rows with all their versions, as if they had never been stored."""
    if rids:
        conn.execute(
            "DELETE FROM resource_history h USING resource r WHERE r.rid = ANY(%s)"
            " AND (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition)",
            (list(rids),),
        )
        remove(conn, rids)


def insert_past(conn: psycopg.Connection, rows: Sequence[Row]) -> None:
    """Writes versions that were never current: they came after newer ones."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO resource_history (type, fhir_id, rendition, version, partner, patient, class,"
            " updated, event_time, record, content_hash, body, late)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true)",
            [(*_identity(r), r.updated, r.event_time, r.record, r.content_hash, r.body) for r in rows],
        )


def _identity(row: Row) -> tuple[object, ...]:
    return (row.type, row.fhir_id, row.rendition, row.version, row.partner, row.patient, row.class_)

"""Rows of the repository in and out, always many at a time: COPY in, one statement per table out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from exchange.repository.database.lists import written_in
from exchange.repository.storage.binary_copy import END, HEAD
from exchange.repository.storage.index import IndexRows
from exchange.repository.storage.packed import COLUMNS, Owner, packed

INDEX_TABLES = tuple(COLUMNS)


class Key(NamedTuple):
    """One rendition of one resource of one source."""

    type: str
    fhir_id: UUID
    rendition: int


class Row(NamedTuple):
    """One row of `resource`, in the order of its columns."""

    rid: int
    type: str
    fhir_id: UUID
    rendition: int
    partner: str
    patient: int | None
    class_: int
    cluster: bytes | None
    rank: int
    version: int
    updated: datetime
    event_time: datetime | None
    record: int
    content_hash: bytes
    mapping_digest: str
    rules_digest: str
    body: bytes


class Present(NamedTuple):
    """What is known of a row that is there."""

    rid: int
    version: int
    updated: datetime
    class_: int
    cluster: bytes | None
    rank: int
    event_time: datetime | None
    content_hash: bytes


_RESOURCE_TYPES = [
    "int8",
    "text",
    "uuid",
    "int2",
    "text",
    "int4",
    "int4",
    "bytea",
    "int8",
    "int4",
    "timestamptz",
    "timestamptz",
    "int8",
    "bytea",
    "text",
    "text",
    "bytea",
]
_RESOURCE_COLUMNS = ", ".join(name.rstrip("_") for name in Row._fields)


def present(conn: psycopg.Connection, references: Iterable[tuple[str, UUID]]) -> dict[Key, Present]:
    """Rows that are there, of every rendition, by key."""
    pairs = set(references)
    rows = conn.execute(
        "SELECT type, fhir_id, rendition, rid, version, updated, class, cluster, rank,"
        " event_time, content_hash"
        " FROM resource JOIN unnest(%s::text[], %s::uuid[]) AS wanted (type, fhir_id) USING (type, fhir_id)",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {Key(*row[:3]): Present(*row[3:]) for row in rows}


def new_rids(conn: psycopg.Connection, number: int) -> list[int]:
    """Row numbers nobody else gets."""
    rows = conn.execute(
        # The sequence is looked up once, not for each of its numbers.
        "WITH rids AS MATERIALIZED (SELECT pg_get_serial_sequence('resource', 'rid')::regclass AS name)"
        " SELECT nextval(name) FROM rids, generate_series(1, %s)",
        (number,),
    ).fetchall()
    return [row[0] for row in rows]


def insert(conn: psycopg.Connection, rows: Iterable[tuple[Row, IndexRows]]) -> None:
    """Writes rows that are not there, with what search finds in them.

    Each is taken when the one before is on its way: what a generator works out, the server need not wait for.
    """
    index: list[tuple[Owner, IndexRows]] = []

    def values() -> Iterator[tuple[object, ...]]:
        for row, found in rows:
            index.append((Owner(row.rid, row.patient, row.class_), found))
            yield row

    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY resource ({_RESOURCE_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_RESOURCE_TYPES)
        for each in values():
            copy.write_row(each)
    _insert_index(conn, index)


def rewrite_index(conn: psycopg.Connection, rows: Sequence[tuple[Owner, IndexRows]]) -> None:
    """Puts other index rows in the place of those that are there."""
    for table in INDEX_TABLES if rows else ():
        conn.execute(f"DELETE FROM {table} WHERE rid = ANY(%s)", ([owner.rid for owner, _ in rows],))
    _insert_index(conn, rows)


def _insert_index(conn: psycopg.Connection, rows: Sequence[tuple[Owner, IndexRows]]) -> None:
    encoding = written_in(conn.info.encoding)
    for table, columns in COLUMNS.items():
        statement = f"COPY {table} ({columns}, rid, patient, class) FROM STDIN (FORMAT BINARY)"
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(b"".join((HEAD, *packed(table, rows, encoding), END)))


def remove(conn: psycopg.Connection, rids: Sequence[int]) -> None:
    """Deletes rows and what search finds in them."""
    if rids:
        for table in ("resource", *INDEX_TABLES):
            conn.execute(f"DELETE FROM {table} WHERE rid = ANY(%s)", (list(rids),))


def clear_withheld(conn: psycopg.Connection, references: Sequence[tuple[str, UUID]]) -> None:
    """Takes resources off the ledger of what is withheld."""
    conn.execute(
        "DELETE FROM withheld w USING unnest(%s::text[], %s::uuid[]) AS n (type, fhir_id)"
        " WHERE (w.type, w.fhir_id) = (n.type, n.fhir_id)",
        ([kind for kind, _ in references], [fhir_id for _, fhir_id in references]),
    )


def move(conn: psycopg.Connection, classes: Mapping[int, int]) -> None:
    """Puts rows (by rid) and what search finds in them into other classes."""
    if not classes:
        return
    arguments = (list(classes), list(classes.values()))
    for table in ("resource", *INDEX_TABLES):
        conn.execute(
            f"UPDATE {table} t SET class = n.class FROM unnest(%s::bigint[], %s::int[]) AS n (rid, class)"
            " WHERE t.rid = n.rid",
            arguments,
        )


def redate(conn: psycopg.Connection, times: Mapping[int, datetime]) -> None:
    """Notes of rows (by rid) that their source said the same at these times."""
    if times:
        conn.execute(
            "UPDATE resource t SET event_time = n.time"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS n (rid, time) WHERE t.rid = n.rid",
            (list(times), list(times.values())),
        )


def rerank(conn: psycopg.Connection, ranks: Mapping[int, tuple[bytes | None, int]]) -> None:
    """Gives rows (by rid) another cluster and rank."""
    conn.execute(
        "UPDATE resource t SET cluster = n.cluster, rank = n.rank"
        " FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS n (rid, cluster, rank) WHERE t.rid = n.rid",
        (list(ranks), [cluster for cluster, _ in ranks.values()], [rank for _, rank in ranks.values()]),
    )

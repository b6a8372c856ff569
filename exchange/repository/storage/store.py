"""Rows of the repository in and out, always many at a time: COPY in, one statement per table out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from exchange.repository.storage.index import IndexRows

INDEX_TABLES = ("index_token", "index_reference", "index_date", "index_string", "index_quantity")


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
_INDEX_COLUMNS = {
    "index_token": ("key, system, param", "int8 int4 int4"),
    "index_reference": ("target, param", "uuid int4"),
    "index_date": ("low, high, param", "timestamptz timestamptz int4"),
    "index_string": ("param, value, original", "int4 text text"),
    "index_quantity": ("value, system, unit, base_value, base, param", "float8 int4 int4 float8 int4 int4"),
}


def present(conn: psycopg.Connection, references: Iterable[tuple[str, UUID]]) -> dict[Key, Present]:
    """Rows that are there, of every rendition, by key."""
    pairs = sorted(set(references))
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
        "SELECT nextval(pg_get_serial_sequence('resource', 'rid')) FROM generate_series(1, %s)", (number,)
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

    _copy(conn, "resource", _RESOURCE_COLUMNS, _RESOURCE_TYPES, values())
    _insert_index(conn, index)


class Owner(NamedTuple):
    """Whose index rows they are."""

    rid: int
    patient: int | None
    class_: int


def rewrite_index(conn: psycopg.Connection, rows: Sequence[tuple[Owner, IndexRows]]) -> None:
    """Puts other index rows in the place of those that are there."""
    for table in INDEX_TABLES if rows else ():
        conn.execute(f"DELETE FROM {table} WHERE rid = ANY(%s)", ([owner.rid for owner, _ in rows],))
    _insert_index(conn, rows)


def _insert_index(conn: psycopg.Connection, rows: Sequence[tuple[Owner, IndexRows]]) -> None:
    for table, (columns, types) in _INDEX_COLUMNS.items():
        _copy(
            conn,
            table,
            f"{columns}, rid, patient, class",
            [*types.split(), "int8", "int4", "int4"],
            _index_values(rows, table),
        )


def _index_values(rows: Sequence[tuple[Owner, IndexRows]], table: str) -> Iterator[tuple[object, ...]]:
    for owner, found in rows:
        for values in _of_table(found, table):
            yield (*values, *owner)


def _of_table(found: IndexRows, table: str) -> Iterable[tuple[object, ...]]:
    if table == "index_token":
        return found.tokens
    if table == "index_reference":
        return found.references
    if table == "index_date":
        return found.dates
    return found.strings if table == "index_string" else found.quantities


def _copy(
    conn: psycopg.Connection,
    table: str,
    columns: str,
    types: Sequence[str],
    rows: Iterable[tuple[object, ...]],
) -> None:
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


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


def rerank(conn: psycopg.Connection, ranks: Mapping[int, tuple[bytes | None, int]]) -> None:
    """Gives rows (by rid) another cluster and rank."""
    conn.execute(
        "UPDATE resource t SET cluster = n.cluster, rank = n.rank"
        " FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS n (rid, cluster, rank) WHERE t.rid = n.rid",
        (list(ranks), [cluster for cluster, _ in ranks.values()], [rank for _, rank in ranks.values()]),
    )

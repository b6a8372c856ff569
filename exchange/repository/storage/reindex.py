"""What search finds in the stored records, written anew: after a version that indexes other parameters."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import psycopg

from exchange.model.fhir import references_in
from exchange.repository.storage import store
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.packed import Owner

_BATCH = """
SELECT rid, patient, class, body FROM resource WHERE rid > %s ORDER BY rid LIMIT %s FOR UPDATE
"""


def reindex(conn: psycopg.Connection, size: int = 1000) -> Iterator[int]:
    """Rewrites the index rows of all records in batches, each a transaction of its own; yields their sizes.

    Publishing and asking go on meanwhile: a search finds a record by its old rows or by its new ones. What is
    killed half way is begun again.
    """
    last = 0
    while True:
        with conn.transaction():
            rows = conn.execute(_BATCH, (last, size)).fetchall()
            found = [
                (Owner(rid, patient, class_), index_rows(orjson.loads(body), references_in(body)))
                for rid, patient, class_, body in rows
            ]
            store.rewrite_index(conn, found)
            if not rows:
                conn.execute("UPDATE reference_told SET since = 0")
        if not rows:
            return
        last = rows[-1][0]
        yield len(rows)

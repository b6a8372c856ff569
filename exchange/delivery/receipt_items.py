"""What a receipt says of one record that went out."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import psycopg


class ItemSent(NamedTuple):
    """`sources`: of a golden Patient, the contributions it was composed of."""

    version: str
    sources: frozenset[str]


def items_sent(conn: psycopg.Connection, record: str, delivery: str, at: datetime) -> list[ItemSent]:
    """Version and sources of a record in the receipt written with the entry of the log of that moment.

    A delivery that was tried again with other content has a receipt and an entry for each.
    """
    kind, _, fhir_id = record.partition("/")
    rows = conn.execute(
        "SELECT i.version, i.sources::text[] FROM receipt_item i JOIN receipt r USING (receipt)"
        " WHERE r.delivery = %s::uuid AND date_trunc('milliseconds', r.at) = %s"
        " AND (i.type, i.fhir_id) = (%s, %s::uuid)",
        (delivery, at, kind, fhir_id),
    ).fetchall()
    return [ItemSent(version, frozenset(sources)) for version, sources in rows]

"""The worklist: codes that no code map answered, counted in the transaction that publishes their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from exchange.pipeline.ledger import Connection

_COLUMNS = ("code_map", "system", "code", "element", "position")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A code that waits to be mapped; `records` that had it, over all pulls. No code: text was sent there."""

    partner: str
    code_map: str
    system: str
    code: str
    records: int
    elements: list[str]
    positions: list[str]


def write_unmapped(connection: Connection, run: int, rows: Sequence[dict[str, Any]]) -> None:
    """Adds a chunk's unmapped codes to those of its run."""
    counts = Counter(
        (row["feed"], *(found[column] for column in _COLUMNS))
        for row in rows
        for found in row.get("unmapped", ())
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO unmapped_code AS u (run, feed, code_map, system, code, element, position, records)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (run, feed, code_map, system, code, element, position)"
            " DO UPDATE SET records = u.records + excluded.records",
            [(run, *key, records) for key, records in sorted(counts.items())],
        )


def waiting_codes(connection: Connection, partner: str | None = None) -> list[Waiting]:
    """By volume, then partner; a replay counts no record a second time."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "WITH counted AS ("
            " SELECT r.partner, u.code_map, u.system, u.code, u.element, u.position,"
            "  coalesce(sum(u.records) FILTER (WHERE r.kind = 'pull'), max(u.records))::int AS records"
            " FROM unmapped_code u JOIN run r USING (run)"
            " WHERE %(p)s::text IS NULL OR r.partner = %(p)s GROUP BY 1, 2, 3, 4, 5, 6)"
            " SELECT partner, code_map, system, code, max(records) AS records,"
            " array_agg(DISTINCT element ORDER BY element) AS elements,"
            " array_agg(DISTINCT position ORDER BY position) AS positions"
            " FROM counted GROUP BY 1, 2, 3, 4 ORDER BY records DESC, 1, 2, 3, 4",
            {"p": partner},
        ).fetchall()

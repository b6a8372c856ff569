"""The log by day, participant, kind and purpose: counted up to a record, and what came since added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Asked:
    """How often a participant appears on a day (UTC) in one way; `reason`: why it was refused."""

    participant: str
    day: date
    kind: str
    purpose: str
    reason: str
    answers: int
    latest: datetime


_BY_DAY = """
SELECT participant, ((body ->> 'recorded')::timestamptz AT TIME ZONE 'UTC')::date AS day, kind,
    coalesce(body #>> '{purposeOfEvent,0,coding,0,code}', '') AS purpose,
    coalesce(body ->> 'outcomeDesc', '') AS reason,
    count(*) AS answers, max((body ->> 'recorded')::timestamptz) AS latest
FROM audit_event
"""


def count_days(conn: psycopg.Connection[Any]) -> int:
    """Counts what was written since the last time; returns up to which record. The caller commits.

    Whatever stands at or before the committed end of the log is committed too: who writes holds the end.
    """
    row = conn.execute("SELECT sequence FROM audit_counted FOR UPDATE").fetchone()
    head = conn.execute("SELECT sequence FROM audit_head").fetchone()
    first, last = (row or (0,))[0], (head or (0,))[0]
    conn.execute(
        f"INSERT INTO audit_day AS d {_BY_DAY}"
        " WHERE sequence > %s AND sequence <= %s AND participant IS NOT NULL GROUP BY 1, 2, 3, 4, 5"
        " ON CONFLICT (participant, day, kind, purpose, reason) DO UPDATE SET"
        "  answers = d.answers + excluded.answers, latest = greatest(d.latest, excluded.latest)",
        [first, last],
    )
    conn.execute("UPDATE audit_counted SET sequence = %s", [last])
    return int(last)


def asked_by_day(
    conn: psycopg.Connection[Any], kinds: Sequence[str], since: date, participant: str | None = None
) -> list[Asked]:
    """By day from `since` on, of one participant or of all, the latest day first."""
    row = conn.execute("SELECT sequence FROM audit_counted FOR SHARE").fetchone()
    wanted = "kind = ANY(%(kinds)s) AND (%(who)s::text IS NULL OR participant = %(who)s)"
    with conn.cursor(row_factory=class_row(Asked)) as cursor:
        return cursor.execute(
            "SELECT participant, day, kind, purpose, reason, sum(answers)::int AS answers,"
            " max(latest) AS latest FROM ("
            f"  SELECT * FROM audit_day WHERE {wanted} UNION ALL {_BY_DAY}"
            f"  WHERE sequence > %(counted)s AND participant IS NOT NULL AND {wanted}"
            "   AND (body ->> 'recorded') COLLATE \"C\" >= %(since)s::text GROUP BY 1, 2, 3, 4, 5"
            " ) AS d WHERE day >= %(since)s GROUP BY 1, 2, 3, 4, 5 ORDER BY day DESC, 3, 4, 5",
            {"kinds": list(kinds), "who": participant, "since": since, "counted": (row or (0,))[0]},
        ).fetchall()


def kinds_written(conn: psycopg.Connection[Any]) -> list[str]:
    """The kinds of records there are, by jumping from one to the next."""
    rows = conn.execute(
        "WITH RECURSIVE found AS ("
        " (SELECT kind FROM audit_event ORDER BY kind LIMIT 1)"
        " UNION ALL"
        " SELECT (SELECT e.kind FROM audit_event e WHERE e.kind > found.kind ORDER BY e.kind LIMIT 1)"
        " FROM found WHERE found.kind IS NOT NULL"
        ") SELECT kind FROM found WHERE kind IS NOT NULL"
    )
    return [row[0] for row in rows]


def records_kept(conn: psycopg.Connection[Any]) -> int:
    """How many records the log holds: all that were ever written but those that went under a tombstone."""
    row = conn.execute(
        "SELECT h.sequence - coalesce((SELECT sum(t.last - t.first + 1 - cardinality(t.kept)) FROM ("
        "  SELECT DISTINCT ON (first) first, last, kept FROM audit_tombstone ORDER BY first, pruned DESC"
        " ) AS t), 0) FROM audit_head h"
    ).fetchone()
    return int(row[0]) if row else 0

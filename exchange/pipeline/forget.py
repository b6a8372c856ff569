"""What messages stated is kept no longer than the messages, and not of whom nothing may be held.

docs/decisions/0048-snapshot-and-empty.md
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchange.pipeline.ledger import Connection, Key


def forget_records(connection: Connection, partner: str, keys: Sequence[Key]) -> int:
    """Forgets what was stated of the subjects of which one of these records is the newest."""
    if not keys:
        return 0
    return connection.execute(
        "DELETE FROM carried c USING unnest(%s::text[], %s::text[]) AS k(feed, key)"
        " WHERE c.partner = %s AND (c.feed, c.key) = (k.feed, k.key)",
        [[feed for feed, _ in keys], [key for _, key in keys], partner],
    ).rowcount


def forget_subjects(connection: Connection, partner: str, subjects: Sequence[Key]) -> int:
    """Forgets what was stated of these: (feed, keyed hash)."""
    if not subjects:
        return 0
    return connection.execute(
        "DELETE FROM carried c USING unnest(%s::text[], %s::text[]) AS k(feed, subject)"
        " WHERE c.partner = %s AND (c.feed, c.subject) = (k.feed, k.subject)",
        [[feed for feed, _ in subjects], [name for _, name in subjects], partner],
    ).rowcount


def forget_withheld(connection: Connection, since: datetime | None = None) -> int:
    """Forgets what was stated of everybody whose Patient is withheld: who opted out is known by nothing.

    With `since`, of those alone who are withheld since then: of the others it is forgotten.
    """
    return connection.execute(
        # OFFSET 0: one after the other along the index, whatever the planner believes of how many name him.
        "DELETE FROM carried c USING withheld w CROSS JOIN LATERAL ("
        "  SELECT partner, feed, key FROM record_state"
        "  WHERE resources @> ARRAY['Patient/' || w.fhir_id] OFFSET 0) AS t"
        " WHERE w.type = 'Patient' AND w.at >= coalesce(%s, '-infinity'::timestamptz)"
        " AND t.partner = w.partner"
        " AND (c.partner, c.feed, c.key) = (t.partner, t.feed, t.key)",
        [since],
    ).rowcount


def forget_older(connection: Connection, partner: str, before: datetime) -> int:
    """Forgets subjects of which no message has come since; a replay is no arrival."""
    return connection.execute(
        "DELETE FROM carried c WHERE c.partner = %s AND NOT EXISTS (SELECT FROM source_record s"
        "  JOIN run r USING (run) WHERE (s.partner, s.feed, s.key) = (c.partner, c.feed, c.key)"
        "  AND r.kind <> 'replay' AND r.started >= %s)",
        [partner, before],
    ).rowcount


def same_people(connection: Connection, records: Sequence[int]) -> list[Key]:
    """(feed, key) of all that speaks of the patients that these records of one partner speak of."""
    return connection.execute(
        "SELECT DISTINCT o.feed, o.key FROM source_record s JOIN record_state t"
        " ON (t.partner, t.feed, t.key) = (s.partner, s.feed, s.key)"
        " JOIN LATERAL unnest(t.resources) AS p(name) ON p.name LIKE 'Patient/%%'"
        " JOIN record_state o ON o.partner = t.partner AND o.resources @> ARRAY[p.name]"
        " WHERE s.record = ANY(%s) ORDER BY 1, 2",
        [list(records)],
    ).fetchall()

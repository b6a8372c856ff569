"""Who may see how much of what kind of everybody's records: counts of a while ago, decisions of now."""

from __future__ import annotations

from datetime import datetime
from time import perf_counter

from exchange.app.privacy.persons import Share
from exchange.pipeline.ledger import Connection

_QUICK = 0.02  # seconds: where counting takes no longer, whoever looks is shown the counts of now

_COUNT = """
WITH counted AS MATERIALIZED (
    SELECT class, patient, count(*) AS records FROM resource
    WHERE rendition = 0 AND type <> 'Consent' AND patient IS NOT NULL GROUP BY 1, 2
), related AS (
    SELECT DISTINCT participant, patient, basis = 'break-glass' AS emergency
    FROM relationship WHERE until > %(at)s
)
INSERT INTO class_share (class, participant, emergency, records)
SELECT class, '', false, sum(records) FROM counted GROUP BY 1
UNION ALL
SELECT k.class, l.participant, l.emergency, sum(k.records) FROM counted k JOIN related l USING (patient)
GROUP BY 1, 2, 3
"""

_SHARES = """
SELECT v.participant, v.role, v.purpose, coalesce(label, '') AS kind,
    sum(CASE WHEN d.class IS NULL THEN 0 WHEN d.needs_relationship THEN coalesce(own.records, 0)
        ELSE held.records END)::int AS visible,
    sum(held.records)::int AS total
FROM viewer v CROSS JOIN class_share held
JOIN disclosure_class c USING (class) LEFT JOIN unnest(c.labels) AS label ON true
LEFT JOIN disclosure d ON d.viewer = v.viewer AND d.class = held.class
    AND d.valid_from <= %(at)s AND d.valid_until > %(at)s AND d.action <> 'disclose'
LEFT JOIN class_share own
    ON (own.class, own.participant, own.emergency) = (held.class, v.participant, v.emergency)
WHERE held.participant = '' AND v.participant <> 'exchange' AND v.purpose = %(purpose)s
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def purposes_of(connection: Connection) -> list[str]:
    """The purposes that participants may ask for."""
    rows = connection.execute(
        "SELECT DISTINCT purpose FROM viewer WHERE participant <> 'exchange' ORDER BY 1"
    )
    return [row[0] for row in rows]


def shares_of_all(connection: Connection, purpose: str, at: datetime) -> list[Share]:
    """Everybody's records by label, `` for what has none, and what each participant may see of them."""
    return [Share(*row) for row in connection.execute(_SHARES, {"purpose": purpose, "at": at})]


def count_shares(connection: Connection, at: datetime) -> None:
    """Counts the records of each class, and those of people in a participant's care; the caller commits."""
    started = perf_counter()
    connection.execute("LOCK TABLE class_share_counted IN EXCLUSIVE MODE")
    connection.execute("DELETE FROM class_share")
    connection.execute(_COUNT, {"at": at})
    connection.execute(
        "INSERT INTO class_share_counted (at, seconds) VALUES (%(at)s, %(seconds)s)"
        " ON CONFLICT (one) DO UPDATE SET at = excluded.at, seconds = excluded.seconds",
        {"at": at, "seconds": perf_counter() - started},
    )


def counted_shares(connection: Connection, at: datetime) -> datetime:
    """When they were counted: by upkeep, or now where there is little to count or nobody has yet."""
    row = connection.execute("SELECT at, seconds FROM class_share_counted").fetchone()
    if row is None or row[1] <= _QUICK:
        count_shares(connection, at)
        connection.commit()
        return at
    counted: datetime = row[0]
    return counted

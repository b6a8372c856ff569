"""How many records and people lie behind changes of disclosure classes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import psycopg

from exchange.consent import Context
from exchange.consent.proof.simulation import Change
from exchange.model.audit import Giving


class Affected(NamedTuple):
    """Records and people a viewer gains or loses in one class, by asking or by being sent them."""

    number: int
    participant: str
    role: str
    purpose: str
    action: Giving
    gained: bool
    records: int
    patients: int


class Total(NamedTuple):
    """Different records, people and recipients of all gains, or of all losses, of one way to get them."""

    action: Giving
    gained: bool
    records: int
    patients: int
    recipients: int


_SEEN = """
FROM simulated s JOIN resource r USING (class)
WHERE s.whose = 'everybody' OR (s.whose = 'related') = EXISTS (
    SELECT FROM relationship l WHERE l.participant = s.participant AND l.patient = r.patient
      AND l.until > %(at)s AND (l.basis = 'break-glass') = s.emergency
)
"""


def affected(
    conn: psycopg.Connection, changes: Collection[Change], context: Context, at: datetime
) -> tuple[list[Affected], list[Total]]:
    """Counts by class and viewer, and over all; changes that meet no record are left out."""
    conn.execute(
        "CREATE TEMP TABLE simulated (class int, participant text, role text, purpose text, action text,"
        " gained bool, whose text, emergency bool) ON COMMIT DROP"
    )
    emergencies = context.rules.vocabulary.file.emergency_purposes
    with conn.cursor().copy("COPY simulated FROM STDIN") as copy:
        for change in changes:
            who = change.viewer
            emergency = who.purpose in emergencies
            copy.write_row(
                (
                    change.number,
                    who.participant,
                    who.role,
                    who.purpose,
                    change.action,
                    change.gained,
                    change.whose,
                    emergency,
                )
            )
    counts = "count(DISTINCT (r.type, r.fhir_id)), count(DISTINCT r.patient)"
    each = conn.execute(
        f"SELECT s.class, s.participant, s.role, s.purpose, s.action, s.gained, {counts} {_SEEN}"
        " GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 5, 6 DESC, 7 DESC, 1, 2, 3, 4",
        {"at": at},
    ).fetchall()
    totals = conn.execute(
        f"SELECT s.action, s.gained, {counts}, count(DISTINCT s.participant) {_SEEN}"
        " GROUP BY 1, 2 ORDER BY 1, 2 DESC",
        {"at": at},
    ).fetchall()
    return [Affected(*row) for row in each], [Total(*row) for row in totals]

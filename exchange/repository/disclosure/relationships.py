"""Care relationships that follow from what participants sent: whose patients they are, and until when.

A participant has one with each of its own Patients and, over direct certain edges only, with those Patients
of others that are surely the same person. An edge counts for nothing between two who are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg

LASTS = timedelta(days=3 * 365)
"""After the last thing the participant sent about the patient, or the last encounter."""

_DERIVED = """
    SELECT c.partner AS participant, reached.patient, c.basis, max(c.last) + %(lasts)s AS until
    FROM (
        SELECT patient AS patient, patient AS source FROM patient WHERE patient = ANY(%(patients)s)
        UNION ALL
        SELECT e.a, e.b FROM patient_edge e
        JOIN patient p ON p.patient = e.a JOIN patient q ON q.patient = e.b AND q.person = p.person
        WHERE e.a = ANY(%(patients)s) AND e.grade = 'certain'
    ) AS reached
    JOIN LATERAL (
        SELECT partner, 'contribution' AS basis, last_event AS last
        FROM patient WHERE patient = reached.source
        UNION ALL
        SELECT partner, 'encounter', last_encounter FROM patient WHERE patient = reached.source
    ) AS c ON c.last IS NOT NULL
    GROUP BY 1, 2, 3
"""


def note_events(
    conn: psycopg.Connection, events: Sequence[tuple[int, datetime, bool]], lasts: timedelta = LASTS
) -> None:
    """Notes (patient, time, was it an encounter); a later event lets the relationship last longer."""
    if not events:
        return
    last, met = dict[int, datetime](), dict[int, datetime | None]()
    for patient, at, encounter in events:
        last[patient] = max(last.get(patient, at), at)
        known = met.setdefault(patient, None)
        if encounter and (known is None or known < at):
            met[patient] = at
    changed = conn.execute(
        "UPDATE patient p SET last_event = greatest(p.last_event, e.event),"
        " last_encounter = greatest(p.last_encounter, e.encounter)"
        " FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[]) AS e (patient, event, encounter)"
        " WHERE p.patient = e.patient AND (p.last_event IS NULL OR p.last_event < e.event"
        "  OR e.encounter IS NOT NULL AND (p.last_encounter IS NULL OR p.last_encounter < e.encounter))"
        " RETURNING p.patient",
        (list(last), list(last.values()), list(met.values())),
    ).fetchall()
    patients = [row[0] for row in changed]
    linked = conn.execute(
        "SELECT DISTINCT b FROM patient_edge WHERE a = ANY(%s) AND grade = 'certain'", (patients,)
    ).fetchall()
    conn.execute(
        f"INSERT INTO relationship (participant, patient, basis, until) {_DERIVED}"
        " ON CONFLICT (participant, patient, basis) DO UPDATE SET until = excluded.until"
        " WHERE relationship.until IS DISTINCT FROM excluded.until",
        {"patients": [*patients, *(row[0] for row in linked)], "lasts": lasts},
    )


def derive_relationships(conn: psycopg.Connection, patients: Sequence[int], lasts: timedelta = LASTS) -> None:
    """Derives the relationships of these patients anew, as after a link or an unlink."""
    conn.execute(
        "DELETE FROM relationship WHERE patient = ANY(%s) AND basis IN ('contribution', 'encounter')",
        (list(patients),),
    )
    conn.execute(
        f"INSERT INTO relationship (participant, patient, basis, until) {_DERIVED}",
        {"patients": list(patients), "lasts": lasts},
    )
    conn.execute("SELECT derive_stated_care(%s)", (list(patients),))

"""Birth dates as the identity index knows them: a Patient's own, and those of certain links."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

Births = frozenset[str]
"""FHIR dates, as precise as they were sent; empty when none is known."""


# Two ways, each by its key: as one condition with OR, every Patient there is was looked at for each.
BIRTHS = """
WITH asked (patient) AS (SELECT unnest(%s::int[])),
same (patient, source) AS (
    SELECT patient, patient FROM asked
    UNION
    SELECT e.a, e.b FROM asked JOIN patient_edge e ON e.a = asked.patient AND e.grade = 'certain'
)
SELECT same.patient, array_agg(DISTINCT p.features ->> 'birth_date')
    FILTER (WHERE p.features ->> 'birth_date' IS NOT NULL)
FROM same JOIN patient p ON p.patient = same.source
GROUP BY 1
"""


def births_of(conn: psycopg.Connection, patients: Sequence[int]) -> dict[int, Births]:
    """By patient, of all of these; a date is believed of a linked Patient where the link is certain."""
    rows = conn.execute(BIRTHS, (list(patients),)).fetchall()
    known = {patient: frozenset(dates or ()) for patient, dates in rows}
    return {patient: known.get(patient, frozenset()) for patient in patients}

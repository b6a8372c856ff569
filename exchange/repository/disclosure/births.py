"""Birth dates as the identity index knows them: a Patient's own, and those of certain links."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

Births = frozenset[str]
"""FHIR dates, as precise as they were sent; empty when none is known."""


# Two ways, each by its key: as one condition with OR, every Patient there is was looked at for each.
BIRTHS = """
WITH asked (patient, person) AS (
    SELECT patient, person FROM patient WHERE patient = ANY(%s::int[])
),
same (patient, person, source) AS (
    SELECT patient, person, patient FROM asked
    UNION
    SELECT asked.patient, asked.person, e.b
    FROM asked JOIN patient_edge e ON e.a = asked.patient AND e.grade = 'certain'
)
SELECT same.patient, array_agg(DISTINCT p.features ->> 'birth_date')
    FILTER (WHERE p.features ->> 'birth_date' IS NOT NULL)
FROM same JOIN patient p ON p.patient = same.source AND p.person = same.person
GROUP BY 1
"""


def births_of(conn: psycopg.Connection, patients: Sequence[int]) -> dict[int, Births]:
    """By patient, of all of these; a date is believed of a linked Patient where the link is certain.

    And where it holds: who is kept apart from the person says nothing of it, nor would anybody be told when
    that date changes.
    """
    rows = conn.execute(BIRTHS, (list(patients),)).fetchall()
    known = {patient: frozenset(dates or ()) for patient, dates in rows}
    return {patient: known.get(patient, frozenset()) for patient in patients}

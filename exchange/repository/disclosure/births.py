"""Birth dates as the identity index knows them: a Patient's own, and those of certain links."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

Births = frozenset[str]
"""FHIR dates, as precise as they were sent; empty when none is known."""


def births_of(conn: psycopg.Connection, patients: Sequence[int]) -> dict[int, Births]:
    """By patient, of all of these; a date is believed of a linked Patient where the link is certain."""
    rows = conn.execute(
        "SELECT n.patient, array_agg(DISTINCT p.features ->> 'birth_date')"
        "  FILTER (WHERE p.features ->> 'birth_date' IS NOT NULL)"
        " FROM unnest(%s::int[]) AS n (patient) JOIN patient p ON p.patient = n.patient OR EXISTS ("
        "  SELECT FROM patient_edge e WHERE (e.a, e.b) = (n.patient, p.patient) AND e.grade = 'certain')"
        " GROUP BY 1",
        (list(patients),),
    ).fetchall()
    known = {patient: frozenset(dates or ()) for patient, dates in rows}
    return {patient: known.get(patient, frozenset()) for patient in patients}

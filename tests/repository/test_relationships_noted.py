"""A care relationship lasts from the last time somebody was there, whatever order records tell it in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import psycopg

from exchange.repository.disclosure.relationships import note_events

FIRST, SECOND, LATER = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
EVENTS = ((FIRST, True), (SECOND, True), (LATER, False))
PATIENT = (
    "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
    " SELECT id, id, 'clinic', id, '{}' FROM gen_random_uuid() AS id RETURNING patient"
)


def test_the_last_encounter_and_the_last_event_count_in_any_order(connection: psycopg.Connection) -> None:
    for order in permutations(EVENTS):
        (patient,) = connection.execute(PATIENT).fetchone() or ()
        note_events(connection, [(patient, *event) for event in order], timedelta(days=10))
        found = connection.execute("SELECT basis, until FROM relationship WHERE patient = %s", [patient])
        assert {basis: until - timedelta(days=10) for basis, until in found} == {
            "encounter": SECOND,
            "contribution": LATER,
        }

"""Only a broken glass opens an emergency, and it opens nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def related(database: str) -> psycopg.Connection:
    """One viewer for treatment, one for an emergency, and a Patient with a relationship of each kind."""
    connection = psycopg.connect(database)
    connection.execute(
        "INSERT INTO viewer (participant, role, purpose, emergency) VALUES"
        " ('hospital', 'organization', 'TREAT', false), ('hospital', 'organization', 'BTG', true)"
    )
    for basis in ("encounter", "break-glass"):
        connection.execute(
            "WITH p AS (INSERT INTO patient (fhir_id, golden_id, partner, person, features) SELECT"
            " gen_random_uuid(), gen_random_uuid(), 'clinic', gen_random_uuid(), '{}' RETURNING patient)"
            " INSERT INTO relationship SELECT 'hospital', patient, %s, 'infinity' FROM p",
            [basis],
        )
    return connection


@pytest.mark.parametrize(("purpose", "bases"), [("TREAT", ["encounter"]), ("BTG", ["break-glass"])])
def test_a_purpose_counts_only_its_own_kind_of_relationship(
    related: psycopg.Connection, purpose: str, bases: list[str]
) -> None:
    related.execute("SET LOCAL ROLE exchange_api")
    related.execute("SELECT enter_view('hospital', 'organization', %s, %s)", [purpose, AT])
    assert [row[0] for row in related.execute("SELECT basis FROM relationship")] == bases
    related.close()

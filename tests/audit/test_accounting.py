"""An accounting holds every answer about a person, under whichever id the requester knew the person."""

from __future__ import annotations

import pytest

from exchange.audit import Disclosed, accounting, append, denied_entry, query_entries, read_entry
from exchange.model.ids import golden_id

ONE, TWO, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@pytest.fixture
def people(connection):
    """Two records of one person and one of another."""
    for fhir_id, person in [(ONE, ONE), (TWO, ONE), (OTHER, OTHER)]:
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, 'p', %s, '{}')",
            (fhir_id, golden_id(fhir_id), person),
        )
    return connection


def test_disclosures_under_every_id_of_the_person_are_found(people, requester, circumstances):
    shown = [
        Disclosed(golden_id(ONE), ("Condition/2", "Condition/1")),
        Disclosed(golden_id(OTHER), ("Condition/3",)),
    ]
    append(people, query_entries(requester, circumstances, "Condition?code=x", shown))
    append(
        people, [read_entry(requester, circumstances, "Patient/2", Disclosed(golden_id(TWO), (), ("tpo",)))]
    )
    query, read = accounting(people, TWO)
    assert (query.kind, query.request) == ("query", "Condition?code=x")
    assert query.resources == ("Condition/1", "Condition/2")
    assert (read.kind, read.resources, read.because) == ("read", ("Patient/2",), ("tpo",))
    assert read.recipient == "Lakeside Hospital, 1 Shore Rd, Springfield IL"
    assert (read.at, read.role, read.purpose) == (circumstances.at, "organization", "TREAT")


def test_what_was_refused_is_no_disclosure(people, requester, circumstances):
    append(people, [denied_entry(requester, circumstances, f"Patient/{ONE}", "scope")])
    assert accounting(people, ONE) == []


def test_a_person_whose_records_are_gone_is_still_found_by_the_id_disclosed(
    connection, requester, circumstances
):
    append(connection, [read_entry(requester, circumstances, "Patient/1", Disclosed(golden_id(ONE)))])
    assert [d.kind for d in accounting(connection, golden_id(ONE))] == ["read"]

"""A parameter finds the values that its condition means, and not those that stand in the same place."""

from __future__ import annotations

import pytest

from exchange.model.fhir import references
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.parameters import parameters
from exchange.repository.storage.units import usual_scales, worked_out

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
GROUPS = {"race": "2054-5", "ethnicity": "2135-2"}


def coded(name):
    """The US Core extension of this name with a code of its own."""
    coding = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": GROUPS[name]}
    return {"url": f"{US_CORE}/us-core-{name}", "extension": [{"url": "ombCategory", "valueCoding": coding}]}


def found_by(resource, name):
    key = parameters()[resource["resourceType"]][name].key
    rows = index_rows(resource, references(resource))
    return [row for row in (*rows.tokens, *rows.references, *rows.dates) if row[-1] == key]


@pytest.mark.parametrize("name", GROUPS)
def test_an_extension_is_found_by_the_parameter_of_its_own_url(name):
    (other,) = GROUPS.keys() - {name}
    patient = {"resourceType": "Patient", "id": "1", "extension": [coded(name)]}
    assert len(found_by(patient, name)) == 1
    assert found_by(patient, other) == []


@pytest.mark.parametrize(("system", "other"), [("phone", "email"), ("email", "phone")])
def test_a_contact_is_found_by_what_it_is(system, other):
    patient = {"resourceType": "Patient", "id": "1", "telecom": [{"system": system, "value": "x"}]}
    assert len(found_by(patient, system)) == 1
    assert found_by(patient, other) == []
    assert len(found_by(patient, "telecom")) == 1


def test_a_reference_is_found_by_the_parameter_of_its_type():
    place = "5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11"
    participant = [{"actor": {"reference": f"Location/{place}"}}]
    appointment = {"resourceType": "Appointment", "id": "1", "participant": participant}
    assert len(found_by(appointment, "location")) == 1
    assert found_by(appointment, "practitioner") == []


def test_what_is_not_there_makes_no_row_and_what_is_only_there_does():
    alive = {"resourceType": "Patient", "id": "1"}
    assert found_by(alive, "deceased") == []
    assert len(found_by({**alive, "deceasedDateTime": "2026-01-02"}, "deceased")) == 1


def test_what_lasts_until_the_end_of_all_years_is_found_by_its_beginning():
    team = {"resourceType": "CareTeam", "id": "1", "period": {"start": "2026-01-02", "end": "9999-12-31"}}
    assert found_by(team, "date") == found_by({**team, "period": {"start": "2026-01-02"}}, "date") != []


def test_a_timing_is_found_by_its_events_and_within_its_bounds():
    repeat = {"boundsPeriod": {"start": "2026-01-02", "end": "2026-03-04"}, "frequency": 2}
    order = {"resourceType": "ServiceRequest", "id": "1", "occurrenceTiming": {"repeat": repeat}}
    ((low, high, _),) = found_by(order, "occurrence")
    assert (low.date().isoformat(), high.date().isoformat()) == ("2026-01-02", "2026-03-05")
    order["occurrenceTiming"] = {"event": ["2026-01-02", "2026-02-03"]}
    assert len(found_by(order, "occurrence")) == 2


def test_the_table_of_usual_units_says_what_the_registry_of_all_units_says():
    assert {code: worked_out(code) for code in usual_scales()} == dict(usual_scales())

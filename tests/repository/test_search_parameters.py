"""Parameters, modifiers and prefixes find what the standard says. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson
import pytest
from repository_world import BASE, HOSPITAL, KEY, observation

from exchange.model.ids import resource_id
from exchange.repository import BadSearch, search

NAMES = {resource_id("https://hospital.example/", "Observation", key): key for key in "ab"}


@pytest.fixture(scope="module")
def ask(shared_world):
    """Asks about two Patients, one of whom has two Observations."""
    maria = shared_world.patient(
        "hospital",
        "1",
        name=[{"family": "Muñoz-Álvarez", "given": ["María"]}],
        birthDate="1980-03-04",
        gender="female",
        identifier=[{"system": "urn:mrn", "value": "77"}],
    )
    shared_world.patient("hospital", "2", name=[{"family": "Muller"}], birthDate="1980", gender="male")
    day_later = {"effectiveDateTime": "2026-11-21", "valueQuantity": {"value": 104.5, "code": "mg/dL"}}
    for key, changes in (("a", {}), ("b", day_later)):
        shared_world.publish(shared_world.item("hospital", observation("hospital", maria, key, **changes)))

    def ask(kind, query=""):
        with shared_world.as_viewer(HOSPITAL) as view:
            return search(view, kind, parse_qsl(query, keep_blank_values=True), BASE, KEY)

    return ask


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "MJ"),
        ("family=munoz", "M"),
        ("family=mu", "MJ"),
        ("family:exact=Muller", "J"),
        ("family:exact=muller", ""),
        ("family:contains=alvar", "M"),
        ("name=maria", "M"),
        ("birthdate=1980-03-04", "M"),
        ("birthdate=1980", "MJ"),
        ("birthdate=lt1980", ""),
        ("birthdate=ge1980-01-01", "MJ"),
        ("birthdate=gt1980-03-04", "J"),
        ("gender=female,male", "MJ"),
        ("gender:not=female", "J"),
        ("gender=female&gender=male", ""),
        ("identifier=urn:mrn|77", "M"),
        ("identifier=77", "M"),
        ("identifier=|77", ""),
        ("identifier=urn:mrn|", "M"),
        ("identifier:missing=true", "J"),
        ("identifier:missing=false", "M"),
        ("_lastUpdated=ge2026-11-23", "MJ"),
        ("_lastUpdated=lt2026-11-23", ""),
    ],
)
def test_patients_are_found_as_the_standard_says(ask, query, found):
    names = {"M": "Muñoz-Álvarez", "J": "Muller"}
    families = {orjson.loads(e.body)["name"][0]["family"] for e in ask("Patient", query).entries}
    assert families == {names[letter] for letter in found}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("code=2345-7", "ab"),
        ("code=http://loinc.org|2345-7", "ab"),
        ("code=http://snomed.info/sct|2345-7", ""),
        ("date=2026-11-20", "a"),
        ("date=ge2026-11-20T10:00:00-06:00", "ab"),
        ("date=gt2026-11-20&date=lt2026-11-22", "b"),
        ("date=sa2026-11-20", "b"),
        ("date=eb2026-11-21", "a"),
        ("value-quantity=98", "a"),
        ("value-quantity=gt98||mg/dL", "b"),
        ("value-quantity=gt98|http://unitsofmeasure.org|mmol/L", ""),
        ("status=final&code=2345-7", "ab"),
        ("status=amended", ""),
        ("patient:missing=true", ""),
    ],
)
def test_observations_are_found_as_the_standard_says(ask, query, found):
    ids = [orjson.loads(entry.body)["id"] for entry in ask("Observation", query).entries]
    assert sorted(NAMES[i] for i in ids) == sorted(found)


@pytest.mark.parametrize(
    "query", ["birthdate=yesterday", "_count=many", "_sort=colour", "gender:exact=male", "_total=perhaps"]
)
def test_a_value_that_cannot_be_one_is_refused(ask, query):
    with pytest.raises(BadSearch):
        ask("Patient", query)

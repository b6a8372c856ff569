"""A person is who all his contributions together say: what is shown of him is what finds him."""

from __future__ import annotations

import orjson
import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY

from exchange.model.records import Labels
from exchange.repository import search


@pytest.fixture(scope="module")
def people(shared_world):
    """Ann by two sources, the others by one each; Cy's sources say nothing but his name."""
    w = shared_world
    by_hospital = w.patient("hospital", "ann", name=[{"family": "Ann"}], gender="female")
    by_clinic = w.patient(
        "clinic", "ann", name=[{"family": "Ann"}], gender="other", deceasedDateTime="2026-01-02",
        active=False, identifier=[{"system": "urn:mrn", "value": "7"}],
    )  # fmt: skip
    w.link(by_hospital, by_clinic)
    w.patient("hospital", "bo", name=[{"family": "Bo"}], gender="male", deceasedBoolean=False, active=False)
    w.patient("hospital", "cy", name=[{"family": "Cy"}])
    return w


@pytest.fixture
def found(people):
    def ask(query):
        with people.as_viewer(HOSPITAL) as view:
            page = search(view, "Patient", [query.split("=")], BASE, KEY)
        return {orjson.loads(entry.body)["name"][0]["family"] for entry in page.entries}

    return ask


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("gender=other", "Ann"),
        ("gender:not=other", "Bo Cy"),
        ("gender:not=female", "Bo Cy"),
        ("gender:not=female,other", "Bo Cy"),
        ("gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", "Cy"),
        ("gender:missing=true", "Cy"),
        ("gender:missing=false", "Ann Bo"),
        ("identifier:missing=true", "Bo Cy"),
        ("identifier:not=urn:mrn|7", "Bo Cy"),
        ("deceased=true", "Ann"),
        ("deceased=false", "Bo Cy"),
        ("deceased:not=true", "Bo Cy"),
        ("deceased:not=false", "Ann"),
        ("active=true", "Ann Cy"),
        ("active=false", "Bo"),
        ("active:not=false", "Ann Cy"),
        ("active:not=true", "Bo"),
    ],
)
def test_what_one_source_says_is_said_of_the_person(found, query, expected):
    assert found(query) == set(expected.split())


def test_who_is_found_is_shown_as_he_was_asked_for(people):
    with people.as_viewer(HOSPITAL) as view:
        for value in (True, False):
            page = search(view, "Patient", [("active", str(value).lower())], BASE, KEY)
            assert {orjson.loads(entry.body)["active"] for entry in page.entries} == {value}


def test_a_source_that_is_hidden_says_nothing(world):
    """The death is in a record that only its source may see."""
    open_to_all = world.patient("hospital", "dee", name=[{"family": "Dee"}])
    hidden = world.patient("clinic", "dee", Labels("R", frozenset({"HIV"})), deceasedBoolean=True)
    world.link(open_to_all, hidden)
    told = {}
    for viewer in (HOSPITAL, CLINIC):
        with world.as_viewer(viewer) as view:
            told[viewer] = len(search(view, "Patient", [("deceased", "false")], BASE, KEY).entries)
    assert told == {HOSPITAL: 1, CLINIC: 0}

"""`:above` and `:below` of references follow what is part of what, as far as the viewer sees it."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson
import pytest
from repository_world import BASE, HOSPITAL, KEY, SHELTER

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import search

IDS = {key: resource_id("https://hospital.example/", "Location", key) for key in ("site", "ward", "room")}
NAMES = {fhir_id: key for key, fhir_id in IDS.items()}


@pytest.fixture
def build(world):
    """A room of a ward of a site, and a visit in the room; the ward under labels."""

    def build(labels):
        above = {"ward": "site", "room": "ward"}
        for key, fhir_id in IDS.items():
            place = {"resourceType": "Location", "id": fhir_id}
            if key in above:
                place["partOf"] = {"reference": f"Location/{IDS[above[key]]}"}
            changes = {"labels": labels} if key == "ward" else {}
            world.publish(world.item("hospital", place, patient=None, **changes))
        visit = {
            "resourceType": "Encounter",
            "id": resource_id("https://hospital.example/", "Encounter", "visit"),
            "status": "finished",
            "class": {"code": "AMB", "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode"},
            "subject": {"reference": f"Patient/{world.patient('hospital', '1')}"},
            "location": [{"location": {"reference": f"Location/{IDS['room']}"}}],
        }
        world.publish(world.item("hospital", visit))

    return build


@pytest.fixture
def found(world):
    def found(asked, viewer=HOSPITAL):
        kind, _, query = asked.partition("?")
        for key, fhir_id in IDS.items():
            query = query.replace(f"={key}", f"={fhir_id}").replace(f"/{key}", f"/{fhir_id}")
        with world.as_viewer(viewer) as view:
            page = search(view, kind, parse_qsl(query), BASE, KEY)
        bodies = [orjson.loads(entry.body) for entry in page.entries]
        return sorted(NAMES.get(body["id"], body["resourceType"]) for body in bodies)

    return found


def test_what_is_part_of_it_and_of_its_parts_is_below(build, found):
    build(Labels())
    assert found("Location?partof:below=site") == ["room", "ward"]
    assert found("Location?partof:below=Location/ward") == ["room"]
    assert found("Location?partof:above=ward") == ["room", "ward"]
    assert found("Location?partof:above=site") == ["ward"]
    assert found("Encounter?location:below=Location/site") == ["Encounter"]
    assert found("Encounter?location:above=Location/site") == []
    assert found("Encounter?location:Location.partof:below=site") == ["Encounter"]
    actcode = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    assert found(f"Encounter?class:below={actcode}|_ActEncounterCode") == ["Encounter"]


@pytest.mark.parametrize(
    "asked", ["Location?partof:below=x", "Location?partof:above=Location/x,y", "Encounter?location:below=,"]
)
def test_what_is_no_id_of_ours_has_no_parts(build, found, asked):
    build(Labels())
    assert found(asked) == []


def test_a_whole_that_is_hidden_joins_nothing(build, found):
    build(Labels("R", frozenset({"HIV"})))
    assert found("Location?partof:below=site") == ["room", "ward"]
    assert found("Location?partof:below=site", SHELTER) == []

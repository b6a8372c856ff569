"""What a visible resource says in passing of a hidden one is not told; of a visible one it is."""

from __future__ import annotations

import orjson
import pytest
from repository_world import BASE, HOSPITAL, KEY, SHELTER, observation

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import everything, read, search

# What could not be read is protected and passes no label on: whoever refers to it stays open, with its words.
HIDDEN = Labels("R", frozenset({"PDS"}))
NUMBER = {"system": "urn:mrn", "value": "M-4711", "assigner": {"display": "Willow Recovery"}}


def condition(patient, labels_of_text="HIV disease"):
    return {
        "resourceType": "Condition",
        "id": resource_id("https://hospital.example/", "Condition", "c"),
        "code": {"text": labels_of_text},
        "subject": {"reference": f"Patient/{patient}"},
    }


def worded(kind, fhir_id, display):
    return {"display": display, "type": kind, "identifier": NUMBER, "reference": f"{kind}/{fhir_id}"}


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


def told(world, viewer, item):
    """Every exit a record has, as text."""
    kind, fhir_id = item.resource["resourceType"], item.resource["id"]
    with world.as_viewer(viewer) as view:
        pages = [
            search(view, kind, [("_id", fhir_id)], BASE, KEY),
            search(view, "Patient", [("_revinclude", f"{kind}:subject")], BASE, KEY),
            everything(view, item.patient, [], BASE, KEY),
        ]
        found = [read(view, kind, fhir_id).body]
    found += [entry.body for page in pages if page for entry in page.entries]
    return b"\n".join(found).decode()


def test_words_about_a_hidden_record_are_told_to_its_source_only(world, patient):
    secret = condition(patient)
    focus = worded("Condition", secret["id"], "HIV disease, Willow")
    item = world.item("hospital", observation("hospital", patient, "a", focus=[focus]))
    world.publish(world.item("hospital", secret, labels=HIDDEN), item)
    assert "Willow" in told(world, HOSPITAL, item)
    text = told(world, SHELTER, item)
    assert f"Condition/{secret['id']}" in text
    assert not any(word in text for word in ("HIV", "Willow", "M-4711"))


def test_words_about_a_record_that_is_shown_redacted_are_not_told(world, patient):
    secret = condition(patient)
    redacted = ({**condition(patient), "code": {"text": "withheld"}}, Labels())
    focus = worded("Condition", secret["id"], "HIV disease")
    item = world.item("hospital", observation("hospital", patient, "a", focus=[focus]))
    world.publish(world.item("hospital", secret, labels=HIDDEN, redacted=redacted), item)
    assert "HIV" not in told(world, SHELTER, item)


def test_a_subject_whose_patient_is_hidden_stays_without_name_and_number(world):
    patient = world.patient("hospital", "1", labels=HIDDEN, name=[{"family": "Rivera"}])
    subject = worded("Patient", patient, "Rivera, Ana")
    item = world.item("hospital", observation("hospital", patient, "a", subject=subject))
    world.publish(item)
    with world.as_viewer(SHELTER) as view:
        body = orjson.loads(read(view, "Observation", item.resource["id"]).body)
    assert body["subject"] == {"type": "Patient", "reference": f"Patient/{patient}"}
    assert "Rivera, Ana" in told(world, HOSPITAL, item)


@pytest.mark.parametrize("first", ["the organization", "the patient"])
def test_a_hidden_organization_that_assigned_a_number_is_not_named(world, first):
    program = {
        "resourceType": "Organization",
        "id": resource_id("https://hospital.example/", "Organization", "willow"),
        "name": "Willow Recovery",
    }
    assigner = {"reference": f"Organization/{program['id']}", "display": "Willow Recovery"}
    number = {"system": "urn:mrn", "value": "M-4711", "assigner": assigner}
    assigning = world.item("hospital", program, labels=Labels("R", frozenset({"HIV"})))
    if first == "the organization":
        world.publish(assigning)
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}], identifier=[number])
    world.publish(assigning)
    texts = {}
    for viewer in (HOSPITAL, SHELTER):
        with world.as_viewer(viewer) as view:
            golden = search(view, "Patient", [], BASE, KEY).entries[0].body
            texts[viewer] = (golden + read(view, "Patient", patient).body).decode()
    assert texts[HOSPITAL].count("Willow") == 2
    assert "M-4711" in texts[SHELTER]
    assert "Willow" not in texts[SHELTER]


@pytest.mark.parametrize(
    "reference",
    [
        {"display": "Dr. Okafor"},
        {"reference": "#dr", "display": "Dr. Okafor"},
        {"reference": "https://elsewhere.example/Practitioner/7", "display": "Dr. Okafor"},
    ],
    ids=["words alone", "contained", "elsewhere"],
)
def test_what_cannot_be_of_a_hidden_record_stays(reference, world, patient):
    item = world.item("hospital", observation("hospital", patient, "a", performer=[reference]))
    world.publish(item)
    assert "Okafor" in told(world, SHELTER, item)


def test_a_hidden_record_that_comes_or_goes_changes_nothing_of_what_is_said_of_it(world, patient):
    secret = condition(patient)
    focus = worded("Condition", secret["id"], "HIV disease")
    item = world.item("hospital", observation("hospital", patient, "a", focus=[focus]))
    world.publish(item)
    before = told(world, SHELTER, item)
    world.publish(world.item("hospital", secret, labels=HIDDEN))
    assert told(world, SHELTER, item) == before
    world.publish(deleted=(f"Condition/{secret['id']}",))
    assert told(world, SHELTER, item) == before

"""What went out before a label came: judged as it was given, and only what can have gone out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from repository_world import AT, observation

from exchange.audit import Circumstances, Disclosed, Requester, append, read_entry
from exchange.consent import Context, parse_rules
from exchange.model.audit import GIVEN_AS
from exchange.model.ids import golden_id
from exchange.model.records import Labels
from exchange.repository import late_disclosures
from exchange.repository.disclosure.late import Moved, note_late_disclosures

HERE = Path(__file__).parent
SHELTER = Requester("app", "shelter", "Shelter", "organization", "HOPERAT", "t")
HOW = Circumstances(AT, "https://hie.example", "192.0.2.7", "r")
SUD = Labels("N", frozenset({"SUD"}))


def under(context, action):
    """The rules, and one more: what is about substance use is for nobody by this way to get it."""
    rule = f"""
  - id: not-this-way
    title: not this way
    citation: tests
    mark: ours
    steward: tests
    in_force: {{from: 2020-01-01}}
    review_by: 2030-01-01
    when: {{action: [{action}], record: {{label: [SUD]}}}}
    effect: prohibited
"""
    files = {
        "vocabulary.yaml": (HERE.parents[1] / "consent/vocabulary.yaml").read_text("utf-8"),
        "policies/tests.yaml": (HERE / "policies.yaml").read_text("utf-8") + rule,
    }
    return Context(parse_rules(files), context.participants)


@pytest.fixture
def patient(world):
    return world.patient("clinic", "1", name=[{"family": "Rivera"}])


def class_of(world, name):
    kind, _, key = name.partition("/")
    return world.conn.execute(
        "SELECT class, patient FROM resource WHERE type = %s AND fhir_id = %s AND rendition = 0", (kind, key)
    ).fetchone()


def moved(world, patient, body, *states):
    """The record as it goes from the class of its first labels into that of its second."""
    name = f"{body['resourceType']}/{body['id']}"
    numbers = []
    for labels in states:
        world.publish(world.item("clinic", {**body, "language": f"x-{len(numbers)}"}, labels=labels))
        numbers.append(class_of(world, name))
    (old, number), (new, _) = numbers
    assert old != new
    return Moved(body["resourceType"], UUID(body["id"]), "clinic", number, old, new)


def given(world, patient, reference, kind="read"):
    entry = read_entry(SHELTER, HOW, reference, Disclosed(golden_id(patient)))
    append(world.conn, [replace(entry, kind=kind)])


@pytest.mark.parametrize("kind", GIVEN_AS)
@pytest.mark.parametrize("closed", ["access", "disclose"])
def test_what_somebody_got_is_judged_by_the_way_he_got_it(world, patient, kind, closed):
    moving = moved(world, patient, observation("clinic", patient, "a"), Labels(), SUD)
    given(world, patient, f"Observation/{moving.fhir_id}", kind)
    found = note_late_disclosures(world.conn, [moving], under(world.context, closed), AT)
    assert found == int(GIVEN_AS[kind] == closed)
    assert [one.times for one in late_disclosures(world.conn)] == [1] * found


@pytest.mark.parametrize("before", [Labels(), Labels("R")], ids=["was shown", "was not"])
def test_a_patient_counts_who_was_shown_before(world, patient, before):
    """A golden Patient does not say of which others it was made: one that was closed was none of them."""
    moving = moved(world, patient, {"resourceType": "Patient", "id": patient}, before, Labels("R", SUD.codes))
    given(world, patient, f"Patient/{golden_id(patient)}")
    found = note_late_disclosures(world.conn, [moving], world.context, AT)
    assert found == int(before == Labels())


@pytest.mark.parametrize("before", [Labels(), Labels("R")], ids=["was shown", "was not"])
def test_an_answer_of_which_only_types_were_recorded_counts_what_was_shown(world, patient, before):
    body = observation("clinic", patient, "a")
    moving = moved(world, patient, body, before, Labels("R", SUD.codes))
    entry = read_entry(SHELTER, HOW, "Observation/_search", Disclosed(golden_id(patient)))
    told = [{"type": {"code": "Observation"}, "role": {"code": "4"}}]
    append(world.conn, [replace(entry, kind="query", event={**entry.event, "entity": told})])
    found = note_late_disclosures(world.conn, [moving], world.context, AT)
    assert found == int(before == Labels())


@pytest.mark.parametrize(
    "told",
    [
        {"what": {"reference": "{name}"}, "role": {"code": "4"}},
        {"type": {"code": "Location"}, "detail": [{"valueString": "{id}"}], "role": {"code": "4"}},
        {"type": {"code": "Location"}, "role": {"code": "4"}},
    ],
    ids=["by name", "by type and id", "by type alone"],
)
def test_what_went_out_about_nobody_is_found_however_it_was_told(world, told):
    body = {"resourceType": "Location", "id": str(UUID(int=7)), "name": "Clinic"}
    moving = moved(world, None, body, Labels(), SUD)
    assert moving.patient is None
    entry = read_entry(SHELTER, HOW, "Location/_search", Disclosed(None))
    said = orjson.loads(
        orjson.dumps(told)
        .replace(b"{name}", b"Location/%b" % body["id"].encode())
        .replace(b"{id}", body["id"].encode())
    )
    append(world.conn, [replace(entry, kind="query", event={**entry.event, "entity": [said]})])
    assert note_late_disclosures(world.conn, [moving], under(world.context, "access"), AT) == 1

"""A version is named by when it was stored and by what this viewer is told of it: two contents, two names."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from repository_world import AT, BASE, HOSPITAL, KEY, SHELTER, observation
from test_reprofile import consent, deny_to

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import Portion, bulk_slice, history, led, read, read_version, still_told
from exchange.repository.reading.view import Served
from exchange.repository.storage.moments import named, stored_name, version_id

PSY = Labels("N", frozenset({"PSY"}))


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


@pytest.fixture
def noted(world, patient):
    """A result with a note that a consent may close; the shelter is shown the note until then."""
    plain = observation("hospital", patient, "noted")
    whole = {**plain, "note": [{"text": "hears voices"}]}
    world.publish(world.item("hospital", whole, labels=PSY, redacted=(plain, Labels())))
    return plain["id"]


def asthma_and_about(world, patient):
    """A problem, and a result that says of it in words what it is."""
    asthma = {
        "resourceType": "Condition",
        "id": resource_id("https://hospital.example/", "Condition", "c"),
        "code": {"text": "asthma"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    focus = {"reference": f"Condition/{asthma['id']}", "display": "asthma since June"}
    about = observation("hospital", patient, "about", focus=[focus])
    world.publish(world.item("hospital", asthma), world.item("hospital", about))
    return asthma, about


def decide(world, patient, version, effect):
    """The person's word, a second later than what was said before."""
    world.at += timedelta(seconds=1)
    reading = [{"coding": [{"system": _ACTION, "code": "access"}]}]
    denied = {"type": "deny", "securityLabel": [_PSY], "action": reading}
    given = consent(
        patient,
        meta={"versionId": str(version)},
        provision={"type": "permit", "provision": [denied] if effect == "closed" else []},
    )
    world.publish(world.item("hospital", given, event_time=world.at))


_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
_PSY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}


def told(world, viewer, kind, key):
    with world.as_viewer(viewer) as view:
        return read(view, kind, key)


def test_what_a_consent_closes_and_opens_has_another_name(world, patient, noted):
    opened = told(world, SHELTER, "Observation", noted)
    decide(world, patient, 1, "closed")
    closed = told(world, SHELTER, "Observation", noted)
    decide(world, patient, 2, "opened")
    again = told(world, SHELTER, "Observation", noted)
    assert (b"voices" in opened.body, b"voices" in closed.body) == (True, False)
    assert opened.etag != closed.etag
    assert (again.body, again.etag) == (opened.body, opened.etag)
    assert opened.updated == closed.updated


def test_each_form_has_its_name_in_the_body_the_tag_and_the_history(world, patient, noted):
    decide(world, patient, 1, "closed")
    for viewer in (HOSPITAL, SHELTER):
        found = told(world, viewer, "Observation", noted)
        name = orjson.loads(found.body)["meta"]["versionId"]
        with world.as_viewer(viewer) as view:
            (entry,) = history(view, "Observation", noted, [], BASE, KEY).entries
            for asked in (name, version_id(AT)):
                assert read_version(view, "Observation", noted, asked).body == found.body
            assert read_version(view, "Observation", noted, f"{version_id(AT)}-00") is None
        assert found.etag == f'W/"{name}"'
        assert (entry.version, stored_name(name)) == (name, version_id(AT))


def test_who_is_told_the_same_has_the_same_name_for_it(world, patient):
    """The name is of what is told alone: not of who asks, nor of what the record has besides."""
    plain = observation("hospital", patient, "noted")
    whole = {**plain, "note": [{"text": "hears voices"}]}
    decide(world, patient, 1, "closed")
    world.publish(world.item("hospital", whole, labels=PSY, redacted=(plain, Labels())))
    redacted = told(world, SHELTER, "Observation", plain["id"])
    world.conn.execute("DELETE FROM resource WHERE fhir_id = %s", (plain["id"],))
    world.conn.execute("DELETE FROM resource_history WHERE fhir_id = %s", (plain["id"],))
    world.conn.commit()
    world.publish(world.item("hospital", plain))
    for viewer in (SHELTER, HOSPITAL):
        found = told(world, viewer, "Observation", plain["id"])
        assert (found.body, found.etag) == (redacted.body, redacted.etag)


def test_a_golden_patient_of_which_less_is_told_has_another_name(world, patient):
    plain = {"resourceType": "Patient", "id": patient, "name": [{"family": "Rivera"}]}
    whole = {**plain, "telecom": [{"system": "phone", "value": "555 0100"}]}
    world.at += timedelta(seconds=1)
    world.publish(world.item("hospital", whole, labels=PSY, redacted=(plain, Labels())))
    opened = told(world, SHELTER, "Patient", golden_id(patient))
    decide(world, patient, 1, "closed")
    closed = told(world, SHELTER, "Patient", golden_id(patient))
    assert (b"0100" in opened.body, b"0100" in closed.body) == (True, False)
    assert opened.etag != closed.etag


def test_a_source_patient_that_leads_to_another_golden_one_has_another_name(world, patient):
    before = told(world, HOSPITAL, "Patient", patient)
    other = world.patient("hospital", "0", name=[{"family": "Rivera"}])
    world.link(patient, other)
    after = [told(world, HOSPITAL, "Patient", one) for one in (patient, other)]
    assert before.etag != after[golden_id(patient) == golden_id(min(patient, other))].etag
    changed = [one for one in (patient,) if told(world, HOSPITAL, "Patient", one).body != before.body]
    assert all(told(world, HOSPITAL, "Patient", one).etag != before.etag for one in changed)


def test_words_about_what_is_hidden_meanwhile_change_the_name(world, patient):
    asthma, about = asthma_and_about(world, patient)
    shown = told(world, SHELTER, "Observation", about["id"])
    world.publish(world.item("hospital", {**asthma, "note": [{"text": "x"}]}, labels=Labels("R")))
    hidden = told(world, SHELTER, "Observation", about["id"])
    assert (b"June" in shown.body, b"June" in hidden.body) == (True, False)
    assert shown.etag != hidden.etag


def test_pages_of_a_history_go_on_after_what_is_told_of_a_version_changed(world, patient):
    for status in ("preliminary", "final", "amended"):
        world.at += timedelta(seconds=1)
        plain = observation("hospital", patient, "noted", status=status)
        whole = {**plain, "note": [{"text": "hears voices"}]}
        world.publish(world.item("hospital", whole, labels=PSY, redacted=(plain, Labels())))
    asked, found = [("_count", "1")], []
    for effect in ("closed", "opened", ""):
        with world.as_viewer(SHELTER) as view:
            page = history(view, "Observation", plain["id"], asked, BASE, KEY)
        found += [orjson.loads(entry.body)["status"] for entry in page.entries]
        if effect:
            asked = [("_count", "1"), ("_cursor", page.next.partition("_cursor=")[2])]
            decide(world, patient, len(found), effect)
    assert found == ["amended", "final", "preliminary"]


def test_deny_to_one_participant_leaves_the_name_of_the_others(world, patient, noted):
    before = told(world, HOSPITAL, "Observation", noted)
    world.at += timedelta(seconds=1)
    world.publish(world.item("hospital", consent(patient, provision=deny_to("shelter"))))
    assert told(world, SHELTER, "Observation", noted) is None
    assert told(world, HOSPITAL, "Observation", noted) == before


def test_a_file_names_what_is_left_of_its_lines_when_it_is_fetched(world, patient):
    """A name made of words that are hidden since would tell of them."""
    asthma, about = asthma_and_about(world, patient)
    with world.as_viewer(SHELTER) as view:
        lines = bulk_slice(view, Portion("Observation"), "", 10, KEY)[0]
        assert [line.body for line in lines] == [read(view, "Observation", about["id"]).body]
    world.publish(world.item("hospital", {**asthma, "note": [{"text": "x"}]}, labels=Labels("R")))
    with world.as_viewer(SHELTER) as view:
        ((_, line),) = still_told(view, lines).lines
        now = read(view, "Observation", about["id"])
    assert (b"June" in lines[0].body, b"June" in line.body) == (True, False)
    assert line.body == now.body


def test_what_refers_otherwise_where_it_is_copied_to_has_another_name():
    """The duplicate that is led away from may be hidden from whoever the copy's name is told to."""
    theirs, ours = (f"Encounter/{resource_id(f'https://{p}.example/', 'Encounter', 'e')}" for p in "ab")
    version, body = named(orjson.dumps({"meta": {"versionId": "5"}, "encounter": {"reference": theirs}}), "5")
    served = Served("Observation", "o", body, version, AT, (), None, frozenset())
    copied = led(served, {theirs: ours})
    assert orjson.loads(copied.body)["encounter"] == {"reference": ours}
    assert orjson.loads(copied.body)["meta"] == {"versionId": copied.version}
    assert copied.version != version
    assert stored_name(copied.version) == "5"

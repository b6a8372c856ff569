"""Care a minor consented to alone: labelled by age, with its consents in time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from repository_world import World
from test_reprofile import consent

from exchange.consent import Context, parse_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import read_cases
from exchange.content import read_tree
from exchange.model.ids import resource_id
from exchange.model.records import Labels, Viewer
from exchange.repository import mark_own_care, mark_own_care_of
from exchange.repository.disclosure.own_care import state_of
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.reading.read import read

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
STI = Labels("R", frozenset(["STD"]))
HOSPITAL = Viewer("lakeside_hospital", "organization", "TREAT")


@pytest.fixture
def world(connection):
    files = read_tree(ROOT / "consent")
    cast = read_cases(files)[0]
    everybody = {code: replaced(one) for code, one in cast.items()}
    context = Context(parse_rules(files), everybody)
    register_participants(connection, context, NOW)
    connection.commit()
    return World(connection, context, NOW)


def replaced(one):
    return type(one)(
        **{name: getattr(one, name) for name in one.__slots__} | {"purposes": ("TREAT", "FAMRQT")}
    )


def born(world, patient, day):
    """As the link step: the Patient says when it was born, and everything that depends on it follows."""
    world.conn.execute(
        "UPDATE patient SET features = jsonb_build_object('birth_date', %s::text) WHERE fhir_id = %s",
        (day, patient),
    )
    row = world.conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", (patient,)).fetchone()
    reprofile(world.conn, {row[0]}, world.context, world.at)
    mark_own_care(world.conn, {row[0]}, world.context, world.at)
    world.conn.commit()


def visit(world, patient, day="2026-03-02", labels=STI, partner="prairie_clinic"):
    body = {
        "resourceType": "Observation",
        "id": resource_id("https://x.example/", "Observation", f"{patient} {day} {sorted(labels.codes)}"),
        "status": "final",
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": day,
    }
    item = world.item(partner, body, labels=labels)
    world.publish(item)
    return item.resource["id"]


def labels_of(world, found):
    classed = world.conn.execute(
        "SELECT labels FROM resource JOIN disclosure_class USING (class) WHERE fhir_id = %s", (found,)
    ).fetchone()[0]
    body = world.conn.execute("SELECT body FROM resource WHERE fhir_id = %s", (found,)).fetchone()[0]
    assert (b'"ADOL"' in body) is ("ADOL" in classed)
    return classed


def person(world, day=None):
    patient = world.patient("prairie_clinic", "p")
    if day:
        born(world, patient, day)
    return patient


@pytest.mark.parametrize(
    ("day", "own"), [("2012-01-15", True), ("1980-01-15", False), ("2016-01-15", False), (None, True)]
)
def test_a_record_is_labelled_when_it_comes(world, day, own):
    assert ("ADOL" in labels_of(world, visit(world, person(world, day)))) is own


def test_a_record_is_labelled_when_the_birth_date_comes_after_it(world):
    patient = person(world, "1980-01-15")
    found = visit(world, patient)
    assert "ADOL" not in labels_of(world, found)
    born(world, patient, "2012-01-15")
    assert "ADOL" in labels_of(world, found)


def test_a_certain_link_tells_the_age_and_a_probable_one_does_not(world):
    patient, elsewhere = person(world, "1980-01-15"), world.patient("lakeside_hospital", "q")
    born(world, elsewhere, "2012-01-15")
    found = visit(world, patient)
    for grade, own in (("probable", False), ("certain", True)):
        world.conn.execute("DELETE FROM patient_edge")
        world.link(patient, elsewhere, grade)
        numbers = {n for (n,) in world.conn.execute("SELECT patient FROM patient")}
        mark_own_care(world.conn, numbers, world.context, world.at)
        assert ("ADOL" in labels_of(world, found)) is own


def test_the_age_of_somebody_who_is_kept_apart_tells_nothing(world):
    """As where a partner merged the two, and a steward keeps each of them apart from a third."""
    patient, elsewhere = person(world, "1980-01-15"), world.patient("lakeside_hospital", "q")
    born(world, elsewhere, "2012-01-15")
    world.link(patient, elsewhere)
    world.conn.execute("UPDATE patient SET person = fhir_id")
    assert "ADOL" not in labels_of(world, visit(world, patient))


def test_what_is_known_of_one_chart_marks_those_of_the_whole_person_and_their_past(world):
    patient, elsewhere = person(world, "1980-01-15"), world.patient("lakeside_hospital", "q")
    found = visit(world, patient)
    before = world.conn.execute("SELECT body FROM resource WHERE fhir_id = %s", (found,)).fetchone()[0]
    changed = {**orjson.loads(before), "meta": {}, "language": "en"}
    world.publish(world.item("prairie_clinic", changed, labels=STI))
    world.link(patient, elsewhere)
    born(world, elsewhere, "2012-01-15")  # marks by this chart alone
    assert "ADOL" in labels_of(world, found)
    history = world.conn.execute(
        "SELECT labels FROM resource_history JOIN disclosure_class USING (class) WHERE fhir_id = %s", (found,)
    ).fetchall()
    assert [sorted(labels) for (labels,) in history] == [["ADOL", "STD"]]
    assert mark_own_care(world.conn, {1, 2}, world.context, world.at).changed == 0


def among_all(world, patient, found):
    mark_own_care(world.conn, {patient}, world.context, world.at)


def as_a_sweep_does(world, patient, found):
    mark_own_care_of(world.conn, {("Observation", UUID(found))}, world.context, world.at)


@pytest.mark.parametrize("mark", [among_all, as_a_sweep_does])
def test_a_record_is_marked_for_what_a_past_version_of_it_reveals(world, mark):
    patient = person(world, "1980-01-15")
    found = visit(world, patient)
    body = world.conn.execute("SELECT body FROM resource WHERE fhir_id = %s", (found,)).fetchone()[0]
    changed = {**orjson.loads(body), "meta": {}, "language": "en"}
    world.publish(world.item("prairie_clinic", changed, labels=Labels()))
    world.conn.execute("""UPDATE patient SET features = '{"birth_date": "2012-01-15"}'""")
    (number,) = world.conn.execute("SELECT patient FROM patient").fetchone()
    mark(world, number, found)
    assert labels_of(world, found) == ["ADOL"]
    (past,) = world.conn.execute(
        "SELECT labels FROM resource_history JOIN disclosure_class USING (class) WHERE fhir_id = %s", (found,)
    ).fetchone()
    assert sorted(past) == ["ADOL", "STD"]


def test_a_partner_nobody_knows_any_more_gives_care_in_no_known_state(world):
    assert state_of("prairie_clinic", world.context) == "IL"
    assert state_of("gone_clinic", world.context) == ""


def test_a_parent_is_not_shown_it_by_the_parents_consent_but_by_the_minors(world):
    patient = person(world, "2012-01-15")
    found = visit(world, patient)
    family = Viewer("lakeside_hospital", "organization", "FAMRQT")
    authorization = {
        "policy": [{"uri": "https://mosaic-exchange.example/policy/authorization"}],
        "category": [],
    }
    terms = {
        "type": "permit",
        "period": {"end": "2027-01-01"},
        "actor": [
            {
                "role": {},
                "reference": {"identifier": {"system": "urn:mosaic:partner", "value": "lakeside_hospital"}},
            }
        ],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "FAMRQT"}],
    }
    for performer, permitted in (("RelatedPerson/mother", False), (f"Patient/{patient}", True)):
        given = consent(patient, **authorization, provision=terms, performer=[{"reference": performer}])
        world.publish(world.item("prairie_clinic", given))
        with world.as_viewer(family) as view:
            assert (read(view, "Observation", found) is not None) is permitted


def test_a_parents_consent_ends_by_itself_on_the_birthday(world):
    patient = person(world, "2008-07-01")
    found = visit(world, patient, labels=Labels(), partner="good_table")
    given = consent(patient, "permit", performer=[{"reference": "RelatedPerson/mother"}])
    world.publish(world.item("prairie_clinic", given))
    world.conn.execute(
        "INSERT INTO relationship (participant, patient, basis, until)"
        " SELECT 'lakeside_hospital', patient, 'attestation', 'infinity' FROM patient"
    )
    last = datetime(2026, 7, 1, 4, 59, tzinfo=UTC)  # 23:59 in Chicago
    first = datetime(2026, 7, 1, 5, 0, tzinfo=UTC)
    for at, permitted in ((last, True), (first, False)):
        with world.as_viewer(HOSPITAL, at) as view:
            assert (read(view, "Observation", found) is not None) is permitted

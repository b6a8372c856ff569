"""A consent takes effect in the midst of things: between two statements of a request, on another patient."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from repository_world import BASE, KEY, SHELTER, World, observation
from test_reprofile import consent, deny_to, sees

from exchange.repository import everything, search
from exchange.repository.reading.persons import persons_of
from exchange.repository.reading.read import read
from exchange.repository.reading.view import golden_patients, still_shown


@pytest.fixture
def second(database, world):
    with psycopg.connect(database) as conn:
        yield World(conn, world.context, records=iter(range(1_000_000, 2_000_000)))


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


def _deny(world, patient, partner="hospital"):
    denial = world.item(partner, consent(patient, provision=deny_to("shelter")))
    assert world.publish(denial).outcomes[0].kind == "published"


def test_a_denial_between_finding_a_person_and_composing_it_counts(world, second, patient):
    with world.as_viewer(SHELTER) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient")]
        persons = list(persons_of(view, numbers).values())
        _deny(second, patient)
        assert len(persons) == 1
        assert golden_patients(view, persons) == []


def test_what_a_denial_leaves_of_a_person_is_composed_under_its_own_id(world, second, patient):
    other = world.patient("clinic", "7", name=[{"family": "Rivers"}])
    world.link(patient, other)
    with world.as_viewer(SHELTER) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient ORDER BY 1")]
        (person,) = {p.golden_id: p for p in persons_of(view, numbers).values()}.values()
        left = person.contributions[1]
        (kept,) = still_shown([person], {left.fhir_id})
        assert (kept.golden_id, kept.contributions) == (left.golden_id, (left,))


@pytest.mark.parametrize("way", ["Observation", "$everything"])
def test_a_denial_between_two_pages_closes_the_rest(world, patient, way):
    for n in range(4):
        world.publish(world.item("hospital", observation("hospital", patient, f"o{n}")))

    def page(parameters):
        with world.as_viewer(SHELTER) as view:
            if way == "Observation":
                return search(view, "Observation", parameters, BASE, KEY)
            return everything(view, patient, parameters, BASE, KEY)

    first = page([("_count", "2")])
    assert first.next
    _deny(world, patient)
    rest = page(parse_qsl(urlsplit(first.next).query))
    assert rest is None or rest.entries == ()


def test_a_denial_corrected_to_another_patient_leaves_the_first_at_once(world, patient):
    other = world.patient("hospital", "2", name=[{"family": "Shevchenko"}])
    items = [world.item("hospital", observation("hospital", p, p)) for p in (patient, other)]
    world.publish(*items)
    own = consent(patient, provision=deny_to("shelter"))
    world.publish(world.item("hospital", own))
    assert [sees(world, SHELTER, item) for item in items] == [False, True]
    world.publish(world.item("hospital", {**own, "patient": {"reference": f"Patient/{other}"}}))
    assert [sees(world, SHELTER, item) for item in items] == [True, False]


def test_a_person_with_two_denials_stays_closed_when_one_ends(world, patient):
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    _deny(world, patient)
    second = consent(patient, provision=deny_to("shelter"))
    second["id"] = second["id"][:-1] + ("0" if second["id"][-1] != "0" else "1")
    given = world.item("hospital", second)
    world.publish(given)
    world.publish(deleted=(f"Consent/{given.resource['id']}",))
    assert not sees(world, SHELTER, item)
    with world.as_viewer(SHELTER) as view:
        assert read(view, "Patient", patient) is None

"""Who are one through a record that the recipient may not see are two for him, in what he is sent, too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange.content import read_tree
from exchange.linkage import parse_model
from exchange.model.ids import golden_id, resource_id
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.identity.links import Word, decide_review
from tests.delivery.receiver import taken
from tests.delivery.test_deliveries import topics_of
from tests.delivery.world import PART2, ROOT, delivery


@pytest.fixture
def two(world):
    """Two people of the hospital and the clinic, whom only a chart of the substance use program joins."""
    first, second = world.person("1"), world.person("2")
    between = world.patient("harbor", "x", labels=PART2)
    for hospital, _ in (first, second):
        world.link(hospital, between)
    assert world.ask("SELECT count(DISTINCT person) FROM patient") == [1]
    world.later(minutes=1)
    return first, second


def test_they_are_told_apart(world, receiver, two):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    for number, (hospital, _) in enumerate(two):
        world.admit(hospital, key=f"v{number}")
    assert world.send() == {"acknowledged": 2}
    assert [[len(got.of(kind)) for kind in ("Patient", "Encounter")] for got in inbox.got] == [[1, 1]] * 2


def test_neither_waits_for_the_other(world, receiver, two):
    inbox = receiver(lambda _: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    world.admit(two[0][0], key="v1")
    assert world.send() == {"failed": 1}
    world.admit(two[1][0], key="v2")
    assert world.send() == {"acknowledged": 1}


@pytest.mark.parametrize("name", [str, golden_id])
def test_who_asks_to_hear_of_one_hears_nothing_of_the_other(world, receiver, two, name):
    (_, clinic), (other, _) = two
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, patients=(name(clinic),)))
    world.admit(other, key="v2")
    assert world.send() == {"nothing": 1}
    assert inbox.got == []
    assert world.ask("SELECT category FROM delivery_withheld") == ["not-concerned"]


def test_who_asks_to_hear_of_one_hears_of_him_by_every_id_he_is_known_by(world, receiver, two):
    (hospital, clinic), _ = two
    for key in (hospital, clinic, golden_id(min(hospital, clinic))):
        inbox = receiver()
        world.subscribe(notices=delivery(inbox.url, patients=(key,)))
        world.admit(hospital, key=key)
        assert world.send() == {"acknowledged": 1}, key
        world.later(minutes=1)


def test_a_panel_reaches_nobody_through_what_is_hidden(world, receiver):
    """The clinic has a chart of its own of somebody; of another in its care it does not ask to hear."""
    hospital = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    own = world.patient("clinic", "1", name=[{"family": "Rivera"}])
    between = world.patient("harbor", "x", labels=PART2)
    world.link(hospital, between)
    world.link(between, own)
    world.conn.execute(
        "INSERT INTO relationship (patient, participant, basis, until)"
        " SELECT patient, 'clinic', 'attestation', %s FROM patient WHERE fhir_id = %s",
        (world.now + timedelta(days=30), hospital),
    )
    world.conn.commit()
    world.later(minutes=1)
    inbox, everyone = receiver(), receiver()
    world.subscribe(narrow=delivery(inbox.url, panel="own"), wide=delivery(everyone.url))
    world.admit(hospital)
    assert world.send() == {"acknowledged": 1, "nothing": 1}
    assert (len(inbox.got), len(everyone.got)) == (0, 1)


def test_a_panel_reaches_whom_a_hidden_record_takes_out_of_the_person(world, receiver):
    """By all records there are the two are not one; by those the clinic sees they are."""
    hospital, _ = world.person()
    world.later(minutes=1)
    other = world.patient("harbor", "x", labels=PART2)
    world.conn.execute("UPDATE patient SET person = %s WHERE fhir_id IN (%s, %s)", (other, other, hospital))
    world.conn.commit()
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, panel="own"))
    world.admit(hospital)
    assert world.send() == {"acknowledged": 1}


def test_who_sees_one_side_alone_hears_nothing_of_a_merge(world, receiver):
    hospital, _ = world.person()
    hidden = world.patient("harbor", "x", labels=PART2)
    inbox = receiver()
    world.subscribe(persons=delivery(inbox.url, "person-merged", "person-split", panel="everyone"))
    note = (
        "INSERT INTO outbox (topic, at, type, fhir_id, partner, patient, other) SELECT %s, %s, 'Patient',"
        " p.fhir_id, '', p.patient, q.patient FROM patient p, patient q"
        " WHERE (p.fhir_id, q.fhir_id) = (%s, %s)"
    )
    for topic in ("person-merged", "person-split"):
        world.conn.execute(note, (topic, world.now, hospital, hidden))
        world.conn.execute(note, (topic, world.now, hidden, hospital))
    world.conn.commit()
    world.send()
    assert inbox.got == []
    assert set(world.ask("SELECT category FROM delivery_withheld")) == {"not-concerned"}


@pytest.fixture
def decide(world):
    """A steward's word on two Patients, as linkage follows it."""
    model = parse_model(read_tree(ROOT / "mappings"))

    def say(decision, *pair):
        world.later(minutes=1)
        numbers = world.ask("SELECT patient FROM patient WHERE fhir_id = ANY(%s::uuid[])", list(pair))
        word = Word(decision, "R. Vega", "asked both")
        changed = decide_review(world.conn, tuple(numbers), word, model, world.now)
        reprofile(world.conn, changed, world.context, world.now)
        world.conn.commit()
        world.later(minutes=1)

    return say


@pytest.fixture(params=[min, max], ids=["leading", "following"])
def three(request, world):
    """Two people whom the clinic treats, and a chart at the program that it is not shown.

    A person is called by the least of its ids: the hidden chart gives its name, or not.
    """
    first, second = (world.person(number)[0] for number in "12")
    seen = world.ask("SELECT fhir_id::text FROM patient")
    names = {key: resource_id("https://harbor.example/", "Patient", key) for key in map(str, range(999))}
    key = request.param(names, key=lambda each: names[each])
    assert request.param([names[key], *seen]) == names[key]
    return first, second, world.patient("harbor", key, labels=PART2)


PERSONS = ("person-merged", "person-split")


def test_two_who_were_one_through_what_is_hidden_alone_never_merged_or_parted(world, receiver, decide, three):
    first, second, between = three
    inbox, program = receiver(), receiver()
    world.subscribe("clinic", persons=delivery(inbox.url, *PERSONS, panel="everyone"))
    world.subscribe("harbor", persons=delivery(program.url, *PERSONS, panel="everyone", own_records=True))
    decide("link", first, between)
    decide("link", second, between)
    decide("keep-apart", second, between)
    world.send()
    assert inbox.got == []


def test_two_whom_he_saw_as_one_are_parted_for_him_whoever_is_hidden_beside_them(
    world, receiver, decide, three
):
    first, second, beside = three
    inbox = receiver()
    world.subscribe("clinic", persons=delivery(inbox.url, *PERSONS, panel="everyone"))
    decide("link", first, beside)
    assert world.send() == {"nothing": 1}
    decide("link", first, second)
    assert world.send() == {"acknowledged": 1}
    decide("keep-apart", first, second)
    assert world.send() == {"acknowledged": 1}
    assert [topic for got in inbox.got for topic in topics_of(got)] == [*PERSONS]
    (patient,) = inbox.got[0].of("Patient")
    assert f"Patient/{first}" in {link["other"]["reference"] for link in patient["link"]}


def test_who_is_hidden_beside_one_person_changes_nothing_of_what_is_told_of_another(
    world, receiver, decide, three
):
    """A steward lets two who are linked already be one: by their links alone nothing changes."""
    first, _, beside = three
    inbox = receiver()
    world.subscribe("clinic", persons=delivery(inbox.url, *PERSONS, panel="everyone", every="nightly"))
    third, fourth = world.patient("hospital", "3"), world.patient("clinic", "4")
    world.link(third, fourth)
    world.conn.execute(
        "INSERT INTO outbox (topic, at, type, fhir_id, partner, patient, other) SELECT 'person-merged', %s,"
        " 'Patient', p.fhir_id, '', p.patient, q.patient FROM patient p, patient q"
        " WHERE (p.fhir_id, q.fhir_id) = (%s, %s)",
        (world.now, third, fourth),
    )
    decide("link", first, beside)
    assert world.send("nightly") == {"acknowledged": 1}
    (patient,) = inbox.got[0].of("Patient")
    assert {link["other"]["reference"] for link in patient["link"]} == {
        f"Patient/{third}",
        f"Patient/{fourth}",
    }

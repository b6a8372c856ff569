"""Where what is told, withheld and recalled begins and ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from exchange.delivery.affected import revoked, wrongly_linked
from exchange.delivery.corrections import corrected
from exchange.delivery.light import harmless
from exchange.model.records import Viewer
from tests.delivery.test_recall import CLINIC, _affected, _result, person  # noqa: F401
from tests.delivery.test_recall_truth import _say
from tests.delivery.world import PART2, delivery

HOSPITAL = Viewer("hospital", "organization", "TREAT")


def test_what_happened_before_somebody_subscribed_is_not_told(world, receiver):
    """The event waits in the outbox, as somebody else subscribed to its topic before."""
    first, second = receiver(), receiver()
    world.subscribe(first=delivery(first.url))
    world.admit(world.person()[0])
    world.later(seconds=1)
    world.subscribe(first=delivery(first.url), second=delivery(second.url))
    assert world.send() == {"acknowledged": 1}
    assert (len(first.got), len(second.got)) == (1, 0)
    assert world.ask("SELECT count(*) FROM delivery_event") == [1]


@pytest.mark.parametrize(("before", "told"), [(timedelta(days=30), 0), (timedelta(days=29, hours=23), 1)])
def test_news_are_news_for_as_many_days_as_the_subscription_says(world, receiver, before, told):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, "discharge", news_days=30))
    hospital, _ = world.person()
    happened = world.now - before
    world.publish(world.item("hospital", world.visit(hospital, "finished"), event_time=happened))
    world.send()
    assert len(inbox.got) == told


def test_who_has_no_relationship_is_told_nothing_and_that_is_why(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, panel="everyone"))
    stranger = world.patient("hospital", "stranger")
    world.admit(stranger, key="s")
    assert world.send() == {"nothing": 1}
    assert inbox.got == []
    assert world.ask("SELECT category || ' ' || exception FROM delivery_withheld") == [
        "relationship 171.202(b)"
    ]


@pytest.mark.parametrize(("seconds", "affected"), [(29, True), (31, False)])
def test_who_asked_while_a_correction_was_written_is_recalled_too(world, seconds, affected):
    """Until it is committed he gets the record as it was, and the log does not say which he got."""
    hospital, _ = world.person()
    wrong = _result(world, "hospital", hospital, "o1")
    world.later(minutes=1)
    _result(world, "hospital", hospital, "o1", status="corrected")
    world.later(seconds=seconds)
    assert world.ask_api(HOSPITAL, *wrong.split("/"))
    assert [one.record for one in corrected(world.conn, wrong)] == [wrong] * affected


def test_what_a_late_label_denies_is_another_list_than_a_revocation_s(world, person):  # noqa: F811
    late, told = (_result(world, "harbor", person[2], key, labels=PART2) for key in ("p1", "p2"))
    for record in (late, told):
        assert world.ask_api(CLINIC, *record.split("/"))
    world.conn.execute(
        "INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose, because,"
        " first_event, last_event, times) VALUES (%s, 'Observation', %s, 'harbor', '{HIV}', 'clinic',"
        " 'TREAT', '{}', 1, 1, 1)",
        (world.now, late.split("/")[1]),
    )
    world.conn.commit()
    world.later(minutes=5)
    world.consent(person[2], "2", "inactive")
    assert _affected(revoked(world.conn, person[2], world.context, world.now)) == {("clinic", told)}


def test_a_person_s_answers_count_from_the_first_link_to_the_last_split(world):
    """They were joined twice; before, and after the last word that they are two, nobody was told of one."""
    ana, eva = world.patient("hospital", "ana"), world.patient("hospital", "eva")
    people = {"ana": (ana, ana), "eva": (eva, eva)}

    def asks():
        world.later(minutes=5)
        assert world.ask_api(HOSPITAL, "Patient", ana)
        world.later(minutes=5)

    asks()
    for _ in range(2):
        _say(world, people, "linked")
        world.link(ana, eva)
        asks()
        _say(world, people, "unlinked")
        world.unlink(ana, eva)
    asks()
    (found,) = wrongly_linked(world.conn, [ana, eva], world.now)
    times = world.ask("SELECT (body ->> 'recorded') FROM audit_event WHERE kind = 'read' ORDER BY sequence")
    assert [d.at for d in found.disclosures] == [datetime.fromisoformat(at) for at in times[1:3]]


@pytest.mark.parametrize("start", list("=+-@\t\r\n"))
def test_no_cell_is_a_formula(start):
    """https://owasp.org/www-community/attacks/CSV_Injection names these."""
    assert harmless(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_a_receipt_names_the_consents_of_that_person_for_that_recipient_alone(world, receiver, person):  # noqa: F811
    """Two people consented alike: of the same class are their records, and not their words."""
    another, theirs = world.person("2")
    protected = world.patient("harbor", "2", labels=PART2, name=[{"family": "Rivera2"}])
    world.link(another, protected)
    world.link(theirs, protected)
    world.consent(protected)
    world.subscribe(results=delivery(receiver().url, "new-result"))
    _result(world, "harbor", person[2], "first", labels=PART2)
    world.send()
    _result(world, "harbor", protected, "second", labels=PART2)
    world.send()
    first, second = world.ask("SELECT consents FROM receipt ORDER BY receipt")
    names = world.ask(
        "SELECT consent::text FROM directive d JOIN patient p USING (patient)"
        " WHERE p.fhir_id = ANY(%s::uuid[]) ORDER BY p.fhir_id = %s DESC", [person[2], protected], person[2],
    )  # fmt: skip
    assert [one[0].split("/")[1] for one in (first, second)] == names
    assert (len(first), len(second)) == (1, 1)

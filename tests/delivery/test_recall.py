"""Recalls, compared with what the tests themselves saw go out."""

from __future__ import annotations

from base64 import b64decode

import pytest

from exchange.delivery.affected import revoked, wrongly_linked
from exchange.delivery.corrections import corrected
from exchange.delivery.recall import Cause, close_task, items, open_recall, tasks
from exchange.model.errors import Conflict
from exchange.model.records import Viewer
from tests.delivery.world import PART2, delivery
from tests.repository.repository_world import observation

CLINIC, HOSPITAL = Viewer("clinic", "organization", "TREAT"), Viewer("hospital", "organization", "TREAT")
CATEGORY = [{"coding": [{"code": "laboratory"}]}]


def _result(world, partner, patient, key, labels=None, **changes):
    made = observation(partner, patient, key, category=CATEGORY, **changes)
    world.publish(world.item(partner, made, **({"labels": labels} if labels else {})))
    return f"Observation/{made['id']}"


def _affected(found):
    return {(one.viewer.participant, one.record) for one in found}


@pytest.fixture
def person(world):
    """One person known to hospital, clinic and the substance use program, which may tell the clinic."""
    hospital, clinic = world.person()
    harbor = world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])
    world.link(hospital, harbor)
    world.link(clinic, harbor)
    world.consent(harbor)
    world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])  # may be held from now on
    return hospital, clinic, harbor


def test_the_notice_and_the_scope_of_the_consent_go_along_where_they_are_owed(world, receiver, person):
    inbox = receiver()
    world.subscribe(results=delivery(inbox.url, "new-result"))
    _result(world, "hospital", person[0], "h1")
    assert world.send() == {"acknowledged": 1}
    _result(world, "harbor", person[2], "p1", labels=PART2)
    assert world.send() == {"acknowledged": 1}
    plain, protected = inbox.got
    assert protected.bundle["meta"]["security"][0]["code"] == "R"
    assert len(protected.bundle["meta"]["security"]) == 1
    (notice,) = protected.of("DocumentReference")
    words = b64decode(notice["content"][0]["attachment"]["data"]).decode()
    assert "42 CFR part 2 prohibits unauthorized use or disclosure of these records." in words
    assert "Harbor may disclose for treatment, until 2031-03-01" in words
    (consents,) = world.ask("SELECT consents FROM receipt ORDER BY receipt DESC LIMIT 1")
    assert [name.split("/")[0] for name in consents] == ["Consent"]
    (event,) = world.ask(
        "SELECT body FROM audit_event WHERE kind = 'disclosure' ORDER BY sequence DESC LIMIT 1"
    )
    assert any(consents[0] == entity.get("what", {}).get("reference") for entity in event["entity"])
    assert plain.of("Observation")[0]["id"] != protected.of("Observation")[0]["id"]


def test_a_revocation_recalls_what_rested_on_the_consent_and_nothing_else(world, receiver, person):
    inbox = receiver()
    world.subscribe(results=delivery(inbox.url, "new-result"))
    ordinary = _result(world, "hospital", person[0], "h1")
    told = _result(world, "harbor", person[2], "p1", labels=PART2)
    asked = _result(world, "harbor", person[2], "p2", labels=PART2)
    never = _result(world, "harbor", person[2], "p3", labels=PART2)
    world.conn.execute(
        "DELETE FROM outbox WHERE fhir_id = ANY(%s::uuid[])", ([n.split("/")[1] for n in (asked, never)],)
    )
    world.conn.commit()
    world.send()
    world.later(minutes=5)
    assert world.ask_api(CLINIC, *asked.split("/"))
    assert world.ask_api(HOSPITAL, *told.split("/")) is None
    assert revoked(world.conn, person[2], world.context, world.now) == []
    world.later(minutes=5)
    world.consent(person[2], "2", "inactive")
    found = revoked(world.conn, person[2], world.context, world.now)
    composed = {f"Patient/{p['id']}" for got in inbox.got for p in got.of("Patient") if _of(p, person[2])}
    assert len(composed) == 1
    assert _affected(found) == {("clinic", name) for name in (told, asked, *composed)}
    assert ordinary not in {one.record for one in found}
    receipts = {one.record: [d.delivery is not None for d in one.disclosures] for one in found}
    # The composed Patient went out with each source's news of him.
    assert receipts == {told: [True], asked: [False], composed.pop(): [True, True]}


def _of(golden, contribution):
    return any(link["other"]["reference"] == f"Patient/{contribution}" for link in golden.get("link", ()))


def test_each_recipient_is_asked_by_a_task_that_is_followed_until_it_is_closed(world, receiver, person):
    inbox = receiver()
    world.subscribe(results=delivery(inbox.url, "new-result"))
    told = _result(world, "harbor", person[2], "p1", labels=PART2)
    world.send()
    world.consent(person[2], "2", "inactive")
    world.later(minutes=5)
    found = revoked(world.conn, person[2], world.context, world.now)
    cause = Cause("revocation", "Consent/1", "anna", "withdrawn in writing")
    number = open_recall(world.conn, cause, found, world.now)
    world.conn.commit()
    assert [(t.participant, t.items, t.sent, t.outcome) for t in tasks(world.conn, number)] == [
        ("clinic", 2, "waiting", None)
    ]
    world.send()
    (task,) = inbox.got[-1].of("Task")
    assert task["status"] == "requested"
    assert told in [i["valueReference"]["reference"] for i in task["input"]]
    assert "substance" not in inbox.got[-1].body.decode().lower()
    (asked,) = tasks(world.conn, number)
    assert asked.sent == "acknowledged"
    asked_for = {item.record: len(item.receipts) for item in items(world.conn, number, "clinic")}
    assert asked_for[told] == 1
    close_task(world.conn, asked.task, "destroyed", "anna", "confirmed by letter", world.now)
    world.conn.commit()
    assert tasks(world.conn, number) == []
    with pytest.raises(Conflict):
        close_task(world.conn, asked.task, "refused", "anna", "again", world.now)
    world.conn.rollback()
    kinds = world.ask("SELECT kind FROM audit_event WHERE kind LIKE 'recall.%' ORDER BY sequence")
    assert kinds == ["recall.opened", "recall.closed"]


def test_a_wrong_link_recalls_what_was_sent_under_the_other_person(world, receiver):
    inbox = receiver()
    world.subscribe(results=delivery(inbox.url, "new-result", panel="everyone"))
    ana_clinic, ana = world.patient("clinic", "ana"), world.patient("hospital", "ana")
    eva_clinic, eva = world.patient("clinic", "eva"), world.patient("hospital", "eva")
    world.link(ana_clinic, ana)
    world.link(eva_clinic, eva)
    apart = _result(world, "hospital", eva, "before")
    world.send()
    world.link(ana, eva)
    world.link(ana_clinic, eva)
    world.link(ana, eva_clinic)
    world.link(ana_clinic, eva_clinic)
    world.later(minutes=1)
    together = [_result(world, "hospital", patient, f"joined-{n}") for n, patient in enumerate((ana, eva))]
    world.send()
    world.later(minutes=1)
    _split(world, ((ana_clinic, ana), (eva_clinic, eva)))
    after = _result(world, "hospital", eva, "after")
    world.send()
    found = wrongly_linked(world.conn, [ana, eva], world.now)
    seen = {
        f"Observation/{o['id']}": o["subject"]["reference"].split("/")[1]
        for got in inbox.got
        for o in got.of("Observation")
    }
    today = {name: _golden(world, name) for name in seen}
    truth = {("clinic", name) for name in seen if seen[name] != today[name]}
    assert len(truth) == 1
    records = {pair for pair in _affected(found) if not pair[1].startswith("Patient/")}
    assert records == truth
    of_both = {
        ("clinic", f"Patient/{p['id']}")
        for got in inbox.got
        for p in got.of("Patient")
        if _of(p, ana) and _of(p, eva)
    }
    assert _affected(found) - records == of_both
    assert of_both
    assert apart not in {record for _, record in records}
    assert after not in {record for _, record in records}
    assert truth < {("clinic", name) for name in together}


def _split(world, pairs):
    world.conn.execute("DELETE FROM patient_edge")
    world.conn.execute("UPDATE patient SET person = fhir_id")
    for pair in pairs:
        world.link(*pair)


def _golden(world, name):
    with world.as_viewer(CLINIC) as view:
        from exchange.repository import read

        found = read(view, *name.split("/"))
    return found.patients[0]


def test_an_error_of_the_source_recalls_those_who_got_the_wrong_version_alone(world, receiver):
    inbox = receiver()
    world.subscribe(results=delivery(inbox.url, "new-result"))
    hospital, _ = world.person()
    wrong = _result(world, "hospital", hospital, "o1")
    right = _result(world, "hospital", hospital, "o2")
    world.send()
    world.later(minutes=1)
    assert world.ask_api(HOSPITAL, *wrong.split("/"))
    world.later(minutes=1)
    _result(world, "hospital", hospital, "o1", status="corrected")
    world.later(minutes=1)
    world.send()
    assert world.ask_api(Viewer("hospital", "organization", "HOPERAT"), *wrong.split("/"))
    found = corrected(world.conn, wrong)
    assert {(one.viewer.participant, one.viewer.purpose) for one in found} == {
        ("clinic", "TREAT"),
        ("hospital", "TREAT"),
    }
    assert {one.record for one in found} == {wrong} != {right}
    assert [len(one.disclosures) for one in found] == [1, 1]


@pytest.mark.parametrize(
    ("ways", "taken"),
    [
        ({"a": {"content": "empty"}, "b": {"content": "id-only"}, "c": {}}, "c"),
        ({"a": {"every": "nightly"}, "b": {"every": "hourly"}, "c": {}}, "c"),
        ({"a": {"every": "nightly"}, "b": {"every": "hourly"}}, "b"),
        ({"a": {"content": "empty"}}, None),
    ],
)
def test_a_recall_goes_the_quickest_way_on_which_it_can_be_read(world, receiver, person, ways, taken):
    inboxes = {name: receiver() for name in ways}
    world.subscribe(**{name: delivery(inboxes[name].url, "new-result", **how) for name, how in ways.items()})
    _result(world, "harbor", person[2], "p1", labels=PART2)
    for every in ("at-once", "hourly", "nightly"):
        world.send(every)
    world.consent(person[2], "2", "inactive")
    world.later(minutes=5)
    found = revoked(world.conn, person[2], world.context, world.now)
    number = open_recall(world.conn, Cause("revocation", "Consent/1", "anna", "withdrawn"), found, world.now)
    world.conn.commit()
    for every in ("at-once", "hourly", "nightly"):
        world.send(every)
    assert [name for name, inbox in inboxes.items() for got in inbox.got if got.of("Task")] == (
        [taken] if taken else []
    )
    assert [task.sent for task in tasks(world.conn, number)] == ["acknowledged" if taken else None]


@pytest.mark.parametrize(
    "rest",
    [
        "paused = now()",
        "status = 'error'",
        "ended = now()",
        # Made by the API, by a client that is no more.
        "client = 'gone', declared = 'api', resource = '{}'",
    ],
)
def test_a_recall_goes_by_no_delivery_that_rests_while_another_is_in_force(world, receiver, person, rest):
    first, second = receiver(), receiver()
    world.subscribe(
        a=delivery(first.url, "new-result"), b=delivery(second.url, "new-result", every="nightly")
    )
    _result(world, "harbor", person[2], "p1", labels=PART2)
    world.send()
    world.consent(person[2], "2", "inactive")
    world.later(minutes=5)
    world.conn.execute(f"UPDATE subscription SET {rest} WHERE name = 'a'")
    found = revoked(world.conn, person[2], world.context, world.now)
    open_recall(world.conn, Cause("revocation", "Consent/1", "anna", "withdrawn"), found, world.now)
    world.conn.commit()
    world.send("nightly")
    assert [len(got.of("Task")) for got in second.got][-1:] == [1]

"""From a published record to a recipient: who is told what, in order, until he says he has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from exchange.crypto import public_jwk, verify_detached
from exchange.delivery.outcomes import next_due, replay, standings
from exchange.delivery.receipts import answer_receipt
from exchange.delivery.subscriptions import find_subscription, pause
from exchange.model.errors import Conflict
from exchange.repository import stored_name, version_id
from tests.delivery.receiver import taken, transaction_response
from tests.delivery.world import HIDDEN, KEY, delivery
from tests.repository.repository_world import observation


def test_an_admission_reaches_the_clinic_that_cares_for_the_person(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    visit = world.admit(hospital)
    assert world.send() == {"acknowledged": 1}
    (got,) = inbox.got
    assert got.bundle["type"] == "history"
    assert got.bundle["meta"]["security"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
    ]
    status = got.resources[0]
    values = {p["name"]: p for p in status["parameter"]}
    assert values["type"]["valueCode"] == "event-notification"
    assert values["events-since-subscription-start"]["valueString"] == "1"
    parts = {p["name"]: p for p in values["notification-event"]["part"]}
    assert parts["topic"]["valueCanonical"] == "urn:mosaic:topic:admission"
    assert parts["focus"]["valueReference"]["reference"] == f"Encounter/{visit}"
    (patient,) = got.of("Patient")
    assert got.of("Encounter")[0]["subject"]["reference"] == f"Patient/{patient['id']}"
    assert {p["target"][0]["reference"] for p in got.of("Provenance")} == {
        f"Encounter/{visit}",
        f"Patient/{patient['id']}",
    }


def test_the_bytes_are_signed_so_that_the_receiver_can_check_them(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    world.send()
    (got,) = inbox.got
    keys = {"keys": [public_jwk(KEY, "EdDSA")]}
    assert verify_detached(got.body, got.headers["x-jws-signature"], keys) == keys["keys"][0]["kid"]


def test_nobody_hears_of_his_own_records_nor_of_strangers(world, receiver):
    inbox = receiver()
    world.subscribe("hospital", notices=delivery(inbox.url))
    world.subscribe("clinic", notices=delivery(inbox.url))
    world.admit(world.patient("hospital", "stranger"))
    assert world.send() == {}
    assert inbox.got == []
    assert world.ask("SELECT count(*) FROM outbox") == [0]


def test_topics_nobody_subscribed_to_leave_no_row(world):
    world.admit(world.person()[0])
    assert world.ask("SELECT count(*) FROM outbox") == [0]


def test_it_is_decided_at_the_moment_of_sending(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    world.admit(hospital)
    visit = world.visit(hospital, "in-progress")
    world.publish(world.item("hospital", visit, labels=HIDDEN))
    assert world.send() == {"nothing": 1}
    assert inbox.got == []
    ((category, exception),) = world.conn.execute(
        "SELECT DISTINCT category, exception FROM delivery_withheld"
    ).fetchall()
    assert (category, exception) == ("law", "171.202(b)")
    assert world.ask("SELECT count(*) FROM receipt") == [0]


def test_numbers_of_notifications_tell_nothing_of_what_was_withheld(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    world.admit(hospital, key="open")
    world.send()
    world.admit(hospital, key="hidden", labels=HIDDEN)
    world.send()
    world.admit(hospital, key="later")
    world.send()
    numbers = [
        [p["valueString"] for p in got.resources[0]["parameter"] if p["name"].startswith("events-since")]
        for got in inbox.got
    ]
    assert numbers == [["1"], ["2"]]


def test_a_transaction_is_pushed_under_our_ids_and_checked_entry_by_entry(world, receiver):
    inbox = receiver(transaction_response)
    world.subscribe(notices=delivery(inbox.url, kind="fhir"))
    visit = world.admit(world.person()[0])
    assert world.send() == {"acknowledged": 1}
    (got,) = inbox.got
    assert got.bundle["type"] == "transaction"
    assert {"method": "PUT", "url": f"Encounter/{visit}"} in [e["request"] for e in got.bundle["entry"]]


def test_events_of_a_person_come_in_order_even_when_the_first_has_to_be_tried_again(world, receiver):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    world.admit(hospital)
    assert world.send() == {"failed": 1}
    world.later(seconds=1)
    world.admit(hospital, "finished")
    assert world.send() == {}, "the first is not due, the second waits behind it"
    world.later(seconds=10)
    assert world.send() == {"acknowledged": 2}
    first, again, second = inbox.got
    assert first.key == again.key != second.key
    assert [topics_of(got) for got in (first, again, second)] == [["admission"], ["admission"], ["discharge"]]


def topics_of(got):
    return [
        part["valueCanonical"].rsplit(":", 1)[1]
        for p in got.resources[0]["parameter"]
        if p["name"] == "notification-event"
        for part in p["part"]
        if part["name"] == "topic"
    ]


def test_a_failing_patient_keeps_no_other_waiting(world, receiver):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    first, second = world.person("1")[0], world.person("2")[0]
    world.admit(first, key="a")
    world.send()
    world.admit(second, key="b")
    assert world.send() == {"acknowledged": 1}


def test_a_destination_that_is_away_is_tried_once_and_then_left_in_peace(world, receiver):
    inbox = receiver(lambda got: (503, b"", {"Retry-After": "120"}), taken)
    world.subscribe(notices=delivery(inbox.url))
    for key in "123":
        world.admit(world.person(key)[0], key=key)
    assert world.send() == {"failed": 1}
    world.later(seconds=100)
    assert world.send() == {}
    world.later(seconds=30)
    assert world.send() == {"acknowledged": 3}
    assert len(inbox.got) == 4


def test_a_broken_glass_is_no_relationship_to_be_told_by(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    stranger = world.patient("hospital", "stranger")
    world.conn.execute(
        "INSERT INTO relationship SELECT 'clinic', patient, 'break-glass', 'infinity' FROM patient"
    )
    world.conn.commit()
    world.admit(stranger)
    assert world.send() == {}
    assert world.ask("SELECT count(*) FROM delivery_event") == [0]


def test_an_acknowledgement_is_not_taken_back(world, receiver):
    world.subscribe(notices=delivery(receiver().url))
    world.admit(world.person()[0])
    world.send()
    sent = world.conn.execute("SELECT delivery, content FROM receipt").fetchone()
    answer_receipt(world.conn, *sent, "unanswered", "no answer came", world.now)
    assert world.ask("SELECT outcome FROM receipt") == ["acknowledged"]


def test_what_waited_longer_is_tried_first(world, receiver):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person("first")[0], key="first")
    assert world.send() == {"failed": 1}
    world.later(seconds=20)
    world.admit(world.person("second")[0], key="second")
    assert world.send() == {"acknowledged": 2}
    first, again, second = inbox.got
    assert first.key == again.key != second.key


def test_what_was_open_when_a_subscription_ended_is_not_due_any_more(world, receiver):
    world.subscribe(notices=delivery(receiver(lambda got: (500, b"", {})).url))
    world.admit(world.person()[0])
    assert world.send() == {"failed": 1}
    ending = find_subscription(world.conn, "clinic/notices")
    world.later(hours=1)
    world.subscribe()
    assert next_due(world.conn, ending, world.now) is None


def test_attempts_never_end(world, receiver):
    inbox = receiver(lambda got: (503, b"", {}))
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    for _ in range(15):
        world.later(hours=2)
        assert world.send() == {"failed": 1}
    inbox.answers = [taken]
    world.later(hours=2)
    assert world.send() == {"acknowledged": 1}
    assert len({got.key for got in inbox.got}) == 1
    assert world.ask("SELECT count(*) FROM receipt") == [1], "the same content is one disclosure"
    assert world.ask("SELECT count(*) FROM audit_event WHERE kind = 'disclosure'") == [1]


def test_what_is_refused_is_parked_and_replayed_as_it_is_then(world, receiver):
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "value"}]}
    inbox = receiver(lambda got: (422, json.dumps(outcome).encode(), {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    world.admit(hospital)
    assert world.send() == {"refused": 1}
    (parked,) = standings(world.conn, ["parked"])
    assert parked.problem == "answered 422 (value)"
    assert world.ask("SELECT outcome FROM receipt") == ["refused"]
    assert replay(world.conn, "clinic/notices", parked.delivery, world.now) == 1
    world.conn.commit()
    assert world.send() == {"acknowledged": 1}
    assert sorted(world.ask("SELECT state FROM delivery")) == ["acknowledged", "replayed"]
    assert world.ask("SELECT outcome FROM receipt ORDER BY receipt") == ["refused", "acknowledged"]


def test_a_paused_destination_loses_nothing(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    pause(world.conn, "clinic/notices", world.now)
    world.conn.commit()
    world.admit(world.person()[0])
    assert world.send() == {}
    pause(world.conn, "clinic/notices", None)
    world.conn.commit()
    assert world.send() == {"acknowledged": 1}


def test_a_nightly_bundle_gathers_everything_and_waits_for_its_night(world, receiver):
    inbox = receiver()
    world.subscribe(nightly=delivery(inbox.url, every="nightly"))
    for key in "12":
        world.admit(world.person(key)[0], key=key)
    assert world.send("at-once") == {}
    assert world.send("nightly") == {"acknowledged": 1}
    assert topics_of(inbox.got[0]) == ["admission", "admission"]
    assert len(inbox.got[0].of("Patient")) == 2


def test_a_deletion_is_told_to_those_who_got_the_record_and_to_nobody_else(world, receiver):
    had, never = receiver(), receiver()
    world.subscribe("clinic", all=delivery(had.url, "new-result", "resource-deleted"))
    world.subscribe("food", all=delivery(never.url, "resource-deleted", purpose="COC", panel="everyone"))
    hospital, _ = world.person()
    category = [{"coding": [{"code": "laboratory"}]}]
    result = observation("hospital", hospital, "o1", category=category)
    world.publish(world.item("hospital", result))
    world.send()
    world.publish(deleted=(f"Observation/{result['id']}",))
    assert world.send() == {"acknowledged": 1, "nothing": 1}
    assert never.got == []
    request = had.got[1].bundle["entry"][1]["request"]
    assert request == {"method": "DELETE", "url": f"Observation/{result['id']}"}


def test_a_receipt_says_who_got_which_version_by_whose_word(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    visit = world.admit(world.person()[0])
    world.send()
    receipt = world.conn.execute(
        "SELECT participant, purpose, because, rules_digest, outcome, withheld FROM receipt"
    ).fetchone()
    assert receipt[:2] == ("clinic", "TREAT")
    assert "hipaa-treatment" in " ".join(receipt[2]) or receipt[2]
    assert receipt[3:] == (world.context.rules.digest, "acknowledged", {})
    items = world.conn.execute(
        "SELECT type, fhir_id::text, version, classes FROM receipt_item ORDER BY 1"
    ).fetchall()
    assert [item[0] for item in items] == ["Encounter", "Patient"]
    (stored,) = world.ask("SELECT updated FROM resource WHERE type = 'Encounter'")
    assert (items[0][1], stored_name(items[0][2])) == (visit, version_id(stored))
    (event,) = world.ask("SELECT body FROM audit_event WHERE kind = 'disclosure'")
    assert event["type"]["code"] == "110106"
    assert event["recorded"] == world.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_an_old_visit_of_a_new_partner_is_no_news(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, "discharge"))
    hospital, _ = world.person()
    old = world.item(
        "hospital", world.visit(hospital, "finished"), event_time=datetime(2019, 1, 1, tzinfo=UTC)
    )
    world.publish(old)
    assert world.send() == {}


def _tell_of_persons(world, kind, a, b):
    world.conn.execute(
        "INSERT INTO link_event (at, kind, a, b, basis) SELECT %s, %s, p.patient, q.patient, 'links'"
        " FROM patient p, patient q WHERE (p.fhir_id, q.fhir_id) = (%s, %s)",
        (world.now, kind, a, b),
    )
    world.conn.commit()


def test_a_merged_person_is_told_to_who_sees_both_sides_and_to_nobody_else(world, receiver):
    inbox, blind = receiver(), receiver()
    topics = ("person-merged", "person-split")
    world.subscribe("clinic", persons=delivery(inbox.url, *topics, panel="everyone"))
    world.subscribe("food", persons=delivery(blind.url, *topics, purpose="COC", panel="everyone"))
    hospital, clinic = world.patient("hospital", "1"), world.patient("clinic", "1")
    world.link(hospital, clinic)
    _tell_of_persons(world, "person.merged", hospital, clinic)
    assert world.send() == {"acknowledged": 1, "nothing": 1}
    (patient,) = inbox.got[0].of("Patient")
    assert {link["other"]["reference"] for link in patient["link"]} == {
        f"Patient/{hospital}",
        f"Patient/{clinic}",
    }
    _tell_of_persons(world, "person.split", hospital, clinic)
    assert world.send() == {"nothing": 2}, "the clinic sees them as one still"
    assert blind.got == []


def test_a_consent_that_changes_is_told_to_who_may_see_it(world, receiver):
    inbox = receiver()
    world.subscribe("harbor", consents=delivery(inbox.url, "consent-change", own_records=True, panel="own"))
    harbor = world.patient("harbor", "1")
    consent = world.consent(harbor)
    assert world.send() == {"acknowledged": 1}
    assert [c["id"] for c in inbox.got[0].of("Consent")] == [consent]
    assert world.ask("SELECT count(*) FROM outbox") == [0]


def test_nothing_leaves_under_rules_that_are_not_in_force_any_more(world, receiver):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    world.conn.execute("UPDATE ruling SET digest = 'another'")
    world.conn.commit()
    with pytest.raises(Conflict):
        world.send()
    assert inbox.got == []
    assert world.ask("SELECT count(*) FROM receipt") == [0]
    assert world.ask("SELECT count(*) FROM audit_event WHERE kind = 'disclosure'") == [0]

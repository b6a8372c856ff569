"""Numbers of events, and that what is sent again is the same to the byte."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest
from fhir.resources.R4B.bundle import Bundle

from exchange.delivery.outcomes import replay, standings
from exchange.model.errors import Conflict
from tests.delivery.receiver import taken
from tests.delivery.test_receivers import _mllp, listener  # noqa: F401
from tests.delivery.world import delivery


def _numbers(got):
    parameters = got.resources[0]["parameter"]
    events = [p["part"] for p in parameters if p["name"] == "notification-event"]
    since = next(p["valueString"] for p in parameters if p["name"] == "events-since-subscription-start")
    return [int(part[0]["valueString"]) for part in events], int(since)


def test_a_number_is_given_once_and_stays_with_its_event(world, receiver):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    for key in "12":
        world.admit(world.person(key)[0], key=key)
    assert world.send() == {"failed": 1, "acknowledged": 1}
    world.later(minutes=1)
    assert world.send() == {"acknowledged": 1}
    first, second, again = inbox.got
    assert [_numbers(got) for got in inbox.got] == [([1], 1), ([2], 2), ([1], 1)]
    assert (first.key, first.body, first.headers["x-jws-signature"]) == (
        again.key, again.body, again.headers["x-jws-signature"],
    )  # fmt: skip
    assert second.key != first.key
    assert sorted(world.ask("SELECT attempts FROM delivery")) == [1, 2]
    assert world.ask("SELECT notifications FROM subscription") == [2]


def test_what_changed_meanwhile_is_new_content_under_the_same_key_and_number(world, receiver):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    hospital, _ = world.person()
    world.admit(hospital)
    world.send()
    world.later(minutes=1)
    world.admit(hospital, "finished")
    world.send()
    first, again = inbox.got[:2]
    assert first.key == again.key
    assert first.of("Encounter")[0]["status"] != again.of("Encounter")[0]["status"]
    assert _numbers(first) == _numbers(again) == ([1], 1)
    assert first.bundle["timestamp"] < again.bundle["timestamp"]


def test_a_message_sent_again_is_the_same_to_the_byte(world, listener):  # noqa: F811
    inbox = listener(lambda control: b"\x0bMSH|^~\\&|R\rMSA|AA|17\r\x1c\r")
    world.subscribe(adt=_mllp(inbox.port))
    world.admit(world.person()[0])
    for _ in range(2):
        assert world.send() == {"failed": 1}
        world.later(hours=1)
    assert inbox.messages[0] == inbox.messages[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [("empty", set()), ("id-only", {"topic", "focus"}), ("full-resource", {"topic", "focus"})],
)
def test_an_empty_notification_tells_a_number_and_a_time_alone(world, receiver, content, told):
    """http://hl7.org/fhir/uv/subscriptions-backport/payloads.html: no topic either, where it is empty."""
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, content=content))
    world.admit(world.person()[0])
    world.send()
    (got,) = inbox.got
    assert _numbers(got) == ([1], 1)
    parameters = got.resources[0]["parameter"]
    (event,) = [p["part"] for p in parameters if p["name"] == "notification-event"]
    assert {part["name"] for part in event} == {"event-number", "timestamp"} | told
    assert ("topic" in {p["name"] for p in parameters}) == bool(told)
    assert (len(got.resources) > 1) == (content == "full-resource")


def broken(bundle):
    """What the profiles backport-subscription-notification-r4 and -status-r4 ask and this has not."""
    first, *rest = bundle["entry"]
    parameters = first["resource"]["parameter"]
    count = Counter(p["name"] for p in parameters)
    values = {p["name"]: {k for k in p if k != "name"} for p in parameters}
    kinds = {
        "subscription": "valueReference", "topic": "valueCanonical", "status": "valueCode",
        "type": "valueCode", "events-since-subscription-start": "valueString", "notification-event": "part",
    }  # fmt: skip
    parts = {"event-number": "valueString", "timestamp": "valueInstant", "focus": "valueReference"}
    events = [p["part"] for p in parameters if p["name"] == "notification-event"]
    facts = {
        "a history": bundle["type"] == "history",
        "the status first": first["resource"]["resourceType"] == "Parameters",
        "as asked for by $status": first["request"]["url"].endswith("/$status"),
        "every entry has a request and a response": all("request" in e and "response" in e for e in rest),
        "one of each": all(count[name] == 1 for name in ("subscription", "status", "type")),
        "values of their types": all(values[name] == {kinds[name]} for name in count),
        "a number each": all(Counter(p["name"] for p in event)["event-number"] == 1 for event in events),
        "parts of their types": all(
            parts[p["name"]] in p for event in events for p in event if p["name"] in parts
        ),
    }
    return [fact for fact, kept in facts.items() if not kept]


def test_a_notification_is_what_the_published_profiles_ask(world, receiver):
    """https://github.com/HL7/fhir-subscription-backport-ig: input/fsh/BackportNotificationR4.fsh."""
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url, "resource-published", "resource-deleted"))
    visit = world.admit(world.person()[0])
    world.send()
    world.publish(deleted=(f"Encounter/{visit}",))
    world.send()
    assert len(inbox.got) == 2
    for got in inbox.got:
        assert broken(got.bundle) == []
        Bundle.model_validate(got.bundle)
    first, *rest = inbox.got[0].bundle["entry"]
    assert broken({**inbox.got[0].bundle, "entry": [*rest[:1], *rest]} | {"entry": [first, {}]}) != []


def test_only_what_is_parked_is_replayed_and_it_keeps_its_number(world, receiver):
    inbox = receiver(lambda got: (422, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    assert replay(world.conn, "clinic/notices", None, world.now) == 0
    with pytest.raises(Conflict):
        replay(world.conn, "clinic/notices", uuid4(), world.now)
    world.conn.rollback()
    world.admit(world.person("1")[0], key="1")
    assert world.send() == {"refused": 1}
    world.admit(world.person("2")[0], key="2")
    assert world.send() == {"acknowledged": 1}
    (parked,) = standings(world.conn, ["parked"])
    assert parked.topics == ["admission"]
    assert replay(world.conn, "clinic/notices", parked.delivery, world.now) == 1
    world.conn.commit()
    assert world.send() == {"acknowledged": 1}
    first, _, again = inbox.got
    assert first.key != again.key, "decided anew: it is another delivery"
    assert _numbers(first) == _numbers(again) == ([1], 1)

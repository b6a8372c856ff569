"""Heartbeat, timeout and max count of a channel, as the backport defines them; anything else is refused."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from .subscribing import BACKPORT, wanted


def _asked(url, **extensions):
    made = wanted(url)
    names = {"heartbeat": "heartbeat-period", "timeout": "timeout", "most": "max-count"}
    made["channel"]["extension"] = [
        {
            "url": f"{BACKPORT}/backport-{names[name]}",
            "valuePositiveInt" if name == "most" else "valueUnsignedInt": value,
        }
        for name, value in extensions.items()
    ]
    return made


def _said(got):
    return {p["name"]: next(v for k, v in p.items() if k != "name") for p in got.resources[0]["parameter"]}


def test_a_heartbeat_comes_when_nothing_was_told_for_so_long(send, work, inbox, people, records, clock):
    made = send(method="POST", body=_asked(inbox.url, heartbeat=60)).json()
    assert made["channel"]["extension"][0]["valueUnsignedInt"] == 60
    assert work() == {"greeted": 1}
    clock.shift = timedelta(seconds=50)
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {"acknowledged": 1}
    clock.shift = timedelta(seconds=100)
    assert work() == {}, "sixty seconds from the last notification, not from the greeting"
    clock.shift = timedelta(seconds=115)
    assert work() == {"heartbeat": 1}
    said = _said(inbox.got[-1])
    assert (said["type"], said["status"], said["events-since-subscription-start"]) == (
        "heartbeat", "active", "1",
    )  # fmt: skip
    assert "notification-event" not in said
    assert work() == {}, "once in a period"


def test_a_heartbeat_that_is_not_taken_shows_until_the_next_is(send, work, inbox, people, clock):
    place = f"/{send(method='POST', body=_asked(inbox.url, heartbeat=60)).json()['id']}"
    work()
    inbox.answers = [lambda got: (500, b"", {})]
    clock.shift = timedelta(seconds=61)
    assert work() == {"heartbeat-not-taken": 1}
    clock.shift = timedelta(0)
    assert send(place).json()["status"] == "error"
    inbox.answers = [lambda got: (200, b"", {})]
    clock.shift = timedelta(seconds=90)
    assert work() == {}
    clock.shift = timedelta(seconds=122)
    assert work() == {"heartbeat": 1}
    clock.shift = timedelta(0)
    assert send(place).json()["status"] == "active"
    assert "error" not in send(place).json()


def test_who_asks_for_no_heartbeat_or_rests_hears_none(send, work, inbox, people, clock):
    send(method="POST", body=wanted(inbox.url))
    resting = send(method="POST", body=_asked(inbox.url, heartbeat=60)).json()
    work()
    body = {**_asked(inbox.url, heartbeat=60), "id": resting["id"], "status": "off"}
    assert send(f"/{resting['id']}", "PUT", body).status_code == 200
    clock.shift = timedelta(seconds=3600)
    assert work() == {}


def test_no_notification_holds_more_events_than_were_asked_for(send, work, inbox, people, records):
    send(method="POST", body=_asked(inbox.url, most=2))
    work()
    made = [records.observation("prairie_clinic", people["shared"], f"o{n}") for n in range(5)]
    assert work() == {"acknowledged": 3}
    told = [
        [
            next(part["valueReference"]["reference"] for part in event["part"] if part["name"] == "focus")
            for event in got.resources[0]["parameter"]
            if event["name"] == "notification-event"
        ]
        for got in inbox.got[1:]
    ]
    names = [f"Observation/{one}" for one in made]
    assert told == [names[:2], names[2:4], names[4:]]


def test_what_is_withheld_makes_no_notification_shorter(send, work, inbox, people, records):
    send(method="POST", body=_asked(inbox.url, most=2))
    work()
    for number, labels in enumerate(["", "HIV", "HIV", "HIV", "HIV", "", "", "HIV", "", ""]):
        records.observation("prairie_clinic", people["shared"], f"o{number}", *filter(None, [labels]))
    work()
    sizes = [
        len([part for part in got.resources[0]["parameter"] if part["name"] == "notification-event"])
        for got in inbox.got[1:]
    ]
    assert sizes == [2, 2, 1]
    waiting = records.conn.execute("SELECT event FROM delivery_event WHERE delivery IS NULL").fetchall()
    assert waiting == []


def test_an_endpoint_is_given_the_time_it_asked_for(send, work, inbox, people, records):
    inbox.answers = [lambda got: (200, b"", {})]
    send(method="POST", body=_asked(inbox.url, timeout=1))
    work()

    def late(got):
        time.sleep(2.5)
        return 200, b"", {}

    inbox.answers = [late]
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {"failed": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [("heartbeat", 29), ("heartbeat", 86_401), ("heartbeat", "60"), ("timeout", 0), ("timeout", 121),
     ("most", 0), ("most", True), ("most", 1.5)],
)  # fmt: skip
def test_what_is_not_served_is_refused_with_what_is(send, inbox, people, name, value):
    answer = send(method="POST", body=_asked(inbox.url, **{name: value}))
    assert answer.status_code == 422
    assert " to " in answer.json()["issue"][0]["diagnostics"]


def test_an_extension_that_is_not_known_is_refused_by_naming_those_that_are(send, inbox, people):
    for extension in (
        [{"url": f"{BACKPORT}/backport-notification-url-location", "valueCode": "all"}],
        [{"url": "backport-timeout", "valueUnsignedInt": 5}],
        {"url": f"{BACKPORT}/backport-timeout", "valuePositiveInt": 5},
        [{"url": f"{BACKPORT}/backport-timeout", "valueUnsignedInt": 5}] * 2,
        "x",
    ):
        body = wanted(inbox.url)
        body["channel"]["extension"] = extension
        answer = send(method="POST", body=body)
        assert answer.status_code == 422
        assert "backport-timeout" in answer.json()["issue"][0]["diagnostics"]


def test_the_capability_statement_says_what_is_honoured(api):
    (rest,) = api.get("/fhir/metadata").json()["rest"]
    (found,) = [one for one in rest["resource"] if one["type"] == "Subscription"]
    for name in ("backport-heartbeat-period", "backport-timeout", "backport-max-count"):
        assert name in found["documentation"]

"""$events asks again for what a Subscription told; `end` is the last it hears."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .subscribing import SCOPES, wanted


@pytest.fixture
def told(send, work, inbox, people, records):
    """A Subscription that told three results; its place and their ids."""
    made = send(method="POST", body=wanted(inbox.url)).json()
    work()
    found = []
    for key in ("o1", "o2", "o3"):
        found.append(records.observation("prairie_clinic", people["shared"], key))
        work()
    return f"/{made['id']}", found


def _parts(answer):
    (entry,) = answer.json()["entry"]
    parameters = entry["resource"]["parameter"]
    return {p["name"]: p for p in parameters}, [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in p["part"]}
        for p in parameters
        if p["name"] == "notification-event"
    ]


def test_what_was_told_is_told_again_by_number(send, told):
    place, results = told
    answer = send(f"{place}/$events")
    assert (answer.status_code, answer.json()["type"]) == (200, "history")
    assert answer.json()["entry"][0]["request"]["url"].endswith(f"{place}/$status")
    status, events = _parts(answer)
    assert status["type"]["valueCode"] == "query-event"
    assert status["events-since-subscription-start"]["valueString"] == "3"
    assert [e["event-number"] for e in events] == ["1", "2", "3"]
    assert [e["focus"]["reference"] for e in events] == [f"Observation/{one}" for one in results]
    _, some = _parts(send(f"{place}/$events?eventsSinceNumber=2&eventsUntilNumber=2"))
    assert [e["event-number"] for e in some] == ["2"]
    _, bare = _parts(send(f"{place}/$events?content=empty"))
    assert [set(e) for e in bare] == [{"event-number", "timestamp"}] * 3


def test_of_what_may_not_be_seen_any_more_the_number_alone_is_told(send, told, records, people):
    place, results = told
    records.observation("prairie_clinic", people["shared"], "o2", "HIV")
    _, events = _parts(send(f"{place}/$events"))
    assert [e.get("focus", {}).get("reference") for e in events] == [
        f"Observation/{results[0]}", None, f"Observation/{results[2]}",
    ]  # fmt: skip
    narrow = "system/Patient.rs system/Subscription.cruds"
    _, beyond = _parts(send(f"{place}/$events", scope=narrow))
    assert not any("focus" in e for e in beyond)


def test_that_it_was_asked_is_recorded_with_whom_it_was_about(send, told, records, people):
    place, results = told
    send(f"{place}/$events")
    kind, body = records.conn.execute(
        "SELECT kind, body::text FROM audit_event WHERE patient IS NOT NULL ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    assert kind == "everything"
    assert all(one in body for one in results)


@pytest.mark.parametrize(
    "given", ["eventsSinceNumber=-1", "eventsUntilNumber=x", "eventsSinceNumber=" + "9" * 30]
)
def test_what_is_no_number_is_refused(send, told, given):
    place, _ = told
    assert send(f"{place}/$events?{given}").status_code == 400


def test_nobody_else_asks_for_them(send, register, told):
    place, _ = told
    for stranger in (
        register("prairie_clinic", scopes=SCOPES),
        register("lakeside_hospital", client_id="another", scopes=SCOPES),
    ):
        assert send(f"{place}/$events", who=stranger).status_code == 404


def test_after_its_end_it_is_off_and_hears_no_more(send, work, inbox, people, records, clock):
    end = (clock() + timedelta(hours=1)).isoformat()
    made = send(method="POST", body=wanted(inbox.url, end=end)).json()
    assert made["end"] == end
    work()
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {"acknowledged": 1}
    records.observation("prairie_clinic", people["shared"], "waits")
    _pass(records, clock() - timedelta(milliseconds=1))
    assert send(f"/{made['id']}").json()["status"] == "off", "before any worker looked"
    assert work() == {}
    records.observation("prairie_clinic", people["shared"], "after")
    assert work() == {}
    again = {**wanted(inbox.url, end=(clock() + timedelta(hours=1)).isoformat()), "id": made["id"]}
    assert send(f"/{made['id']}", "PUT", again).json()["status"] == "requested"
    work()
    assert work() == {"acknowledged": 1}
    assert len(inbox.got[-1].of("Observation")) == 1, "what waited, and nothing of the time between"


def _pass(records, end):
    """Lets the time pass until its end: who asks and who works looks at the clock of the wall."""
    records.conn.execute(
        "UPDATE subscription SET resource = jsonb_set(resource, '{end}', to_jsonb(%s::text))",
        (end.isoformat(),),
    )
    records.conn.commit()

"""A client subscribes by the FHIR API, and is sent what its token might read: no more, and not for longer."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from exchange.api.clients import disable_client

from .subscribing import SCOPES, extended, wanted


def test_it_is_greeted_then_told_and_its_status_says_so(send, work, inbox, people, records):
    made = send(method="POST", body=wanted(inbox.url))
    assert (made.status_code, made.json()["status"]) == (201, "requested")
    place = f"/{made.json()['id']}"
    assert made.headers["location"].endswith(f"/fhir/Subscription{place}")
    assert work() == {"greeted": 1}
    (greeting,) = inbox.got
    kinds = {p["name"]: p for p in greeting.resources[0]["parameter"]}
    assert kinds["type"]["valueCode"] == "handshake"
    assert kinds["subscription"]["valueReference"]["reference"].endswith(place)
    assert send(place).json()["status"] == "active"

    result = records.observation("prairie_clinic", people["shared"], "o1")
    records.observation("prairie_clinic", people["strange"], "o2")
    assert work() == {"acknowledged": 1}
    assert [o["id"] for o in inbox.got[1].of("Observation")] == [result]
    (entry,) = send(f"{place}/$status").json()["entry"]
    told = {p["name"]: next(v for k, v in p.items() if k != "name") for p in entry["resource"]["parameter"]}
    assert (told["status"], told["type"], told["events-since-subscription-start"]) == (
        "active", "query-status", "1",
    )  # fmt: skip


def test_it_is_sent_no_more_than_its_token_reached(send, work, inbox, people, records):
    narrow = "system/Patient.rs system/Observation.rs?code=4548-4 system/Subscription.cruds"
    assert send(method="POST", body=wanted(inbox.url), scope=narrow).status_code == 201
    work()
    records.observation("prairie_clinic", people["shared"], "hidden", "HIV", code="4548-4")
    records.observation("prairie_clinic", people["shared"], "beyond")
    assert work() == {"nothing": 1}
    shown = records.observation("prairie_clinic", people["shared"], "within", code="4548-4")
    work()
    assert [o["id"] for got in inbox.got for o in got.of("Observation")] == [shown]


def test_a_filter_by_patient_tells_of_nobody_else(send, work, inbox, people, records):
    other = str(uuid4())
    send(method="POST", body=wanted(inbox.url, filtered=f"Observation?patient=Patient/{other}"))
    send(method="POST", body=wanted(inbox.url, filtered=f"Observation?patient=Patient/{people['shared']}"))
    assert work() == {"greeted": 2}
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {"acknowledged": 1}


def test_who_refuses_the_greeting_gets_nothing_until_it_asks_again(send, work, inbox, people, records):
    inbox.answers = [lambda got: (404, b"", {})]
    made = send(method="POST", body=wanted(inbox.url)).json()
    assert work() == {"not-greeted": 1}
    found = send(f"/{made['id']}").json()
    assert (found["status"], found["error"]) == ("error", "answered 404")
    assert [e["resource"]["id"] for e in send("?status=error").json()["entry"]] == [made["id"]]
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {}
    inbox.answers = [lambda got: (200, b"", {})]
    again = send(f"/{made['id']}", "PUT", {**wanted(inbox.url), "id": made["id"]})
    assert (again.status_code, again.json()["status"]) == (200, "requested")
    assert "error" not in again.json()
    work()
    assert work() == {"acknowledged": 1}, "what happened meanwhile waited for it"


def test_one_that_rests_is_left_in_peace_and_one_that_is_ended_hears_no_more(
    send, work, inbox, people, records
):
    made = send(method="POST", body=wanted(inbox.url)).json()
    work()
    assert (
        send(f"/{made['id']}", "PUT", {**wanted(inbox.url, status="off"), "id": made["id"]}).json()["status"]
        == "off"
    )
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {}
    assert send(f"/{made['id']}", "DELETE").status_code == 204
    assert send(f"/{made['id']}", "DELETE").status_code == 204
    assert send(f"/{made['id']}").status_code == 404
    assert work() == {}
    assert len(inbox.got) == 1


def test_nobody_else_sees_changes_or_ends_it(send, register, inbox, people, work):
    made = send(method="POST", body=wanted(inbox.url)).json()
    clinic = register("prairie_clinic", scopes=SCOPES)
    colleague = register("lakeside_hospital", client_id="another", scopes=SCOPES)
    for stranger in (clinic, colleague):
        assert "entry" not in send(who=stranger).json()
        assert send(f"/{made['id']}", who=stranger).status_code == 404
        assert send(f"/{made['id']}/$status", who=stranger).status_code == 404
        changed = {**wanted(inbox.url), "id": made["id"]}
        assert send(f"/{made['id']}", "PUT", changed, who=stranger).status_code == 404
        assert send(f"/{made['id']}", "DELETE", who=stranger).status_code == 204
    assert send(f"/{made['id']}").json()["status"] == "requested"


def test_it_ends_with_its_client(send, work, inbox, people, records, database, hospital):
    send(method="POST", body=wanted(inbox.url))
    work()
    with psycopg.connect(database) as conn:
        disable_client(conn, hospital.client_id, "exchange", "2026-11-20T00:00:00Z")
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {}


def test_a_token_without_the_scope_makes_none(send, inbox):
    assert send(method="POST", body=wanted(inbox.url), scope="system/*.rs").status_code == 403


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"criteria": "Observation?code=1"}, "criteria"),
        ({"criteria": "urn:mosaic:topic:everything"}, "criteria"),
        ({"status": "active"}, "status"),
        ({"reason": ""}, "reason"),
        ({"end": "2020-01-01T00:00:00Z"}, "end"),
        ({"end": "2090-01-01"}, "end"),
        ({"end": "2090-02-31T00:00:00"}, "end"),
        ({"_criteria": extended("backport-filter-criteria", "valueString", "Task?code=1")}, "_criteria"),
        ({"_criteria": extended("backport-filter-criteria", "valueString", "Cat")}, "_criteria"),
        ({"_criteria": extended("another", "valueString", "Observation")}, "_criteria"),
        ({"channel": {"type": "email", "endpoint": "mailto:a@b.example"}}, "channel.type"),
        ({"channel": {"type": "rest-hook"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "http://clinic.example/in"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://10.0.0.1/in"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://[::ffff:10.0.0.1]/"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://u:p@clinic.example/"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://c.example/${SECRET}"}}, "channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://c.example/", "payload": "text/plain"}},
         "channel.payload"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_refused_by_name(send, changes, told):
    answer = send(method="POST", body=wanted("https://clinic.example/in", **changes))
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["issue"][0]["diagnostics"]


def test_a_server_in_the_open_is_not_sent_to_itself(send, monkeypatch):
    monkeypatch.setattr("exchange.api.subscribing.served.is_loopback", lambda url: False)
    answer = send(method="POST", body=wanted("http://127.0.0.1:9/in"))
    assert (answer.status_code, send().json()["total"]) == (422, 0)


def test_a_participant_makes_only_so_many(send, service, database, people):
    for _ in range(service.limits.subscriptions):
        assert send(method="POST", body=wanted("https://clinic.example/in")).status_code == 201
    assert send(method="POST", body=wanted("https://clinic.example/in")).status_code == 429


def test_what_a_search_does_not_serve_is_refused_unless_the_asker_is_lenient(ask, hospital, send, people):
    assert send("?_id=1").status_code == 400
    lenient = ask(hospital, "Subscription?_count=5", headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 200


def test_a_search_may_be_sent_as_a_form(ask, hospital, send, people):
    send(method="POST", body=wanted("https://clinic.example/in"))

    def found(status):
        form = {"status": status, "_format": "json"}
        return ask(hospital, "Subscription/_search", method="POST", data=form).json()["total"]

    assert (found("requested"), found("off")) == (1, 0)


def test_a_condition_changes_nothing(ask, hospital, send, people, token_of):
    body = wanted("https://clinic.example/in")
    token = token_of(hospital, scope="system/Subscription.cruds")
    answer = ask(
        hospital, "Subscription", method="POST", json=body, token=token, headers={"If-None-Exist": "x"}
    )
    assert (answer.status_code, send().json()["total"]) == (400, 0)


def test_the_capability_statement_names_topics_and_what_may_be_done(api):
    (rest,) = api.get("/fhir/metadata").json()["rest"]
    (found,) = (r for r in rest["resource"] if r["type"] == "Subscription")
    assert {"read", "create", "update", "delete", "search-type"} == {i["code"] for i in found["interaction"]}
    assert "urn:mosaic:topic:admission" in {e["valueCanonical"] for e in found["extension"]}
    assert [o["name"] for o in found["operation"]] == ["status", "events"]

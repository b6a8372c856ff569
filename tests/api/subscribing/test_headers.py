"""Headers a client wants with its notifications go along, and lie and are told nowhere in the clear."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest

from exchange.crypto import Keyring
from exchange.delivery.parcel import Office
from exchange.delivery.sending import Post, deliver

from .subscribing import LOCAL, wanted

SECRET = "Bearer wrongly-logged-7c1e"


@pytest.fixture
def work(database, context, signing_key, clock, service):
    """One turn of a worker that has this keyring."""

    @contextmanager
    def connect():
        with psycopg.connect(database) as conn:
            yield conn

    def turn(keyring=None):
        held = keyring or service.exports.keyring
        office = Office(context, f"{LOCAL}/fhir", signing_key, str.title, clock, held)
        return dict(deliver(Post(connect, office, {})))

    return turn


def _with(url, *headers):
    made = wanted(url)
    return {**made, "channel": {**made["channel"], "header": list(headers)}}


def test_they_go_along_and_change_nothing_of_ours(send, work, inbox, people, records):
    made = send(method="POST", body=_with(inbox.url, f"Authorization: {SECRET}", "X-Clinic:7"))
    assert made.status_code == 201
    assert work() == {"greeted": 1}
    records.observation("prairie_clinic", people["shared"], "o1")
    assert work() == {"acknowledged": 1}
    for got in inbox.got:
        assert (got.headers["authorization"], got.headers["x-clinic"]) == (SECRET, "7")
        assert got.headers["content-type"] == "application/fhir+json; fhirVersion=4.0"
        assert got.headers["x-jws-signature"]


def test_they_are_told_to_nobody_again(send, work, inbox, people, records, caplog, database):
    place = f"/{send(method='POST', body=_with(inbox.url, f'Authorization: {SECRET}')).json()['id']}"
    refused = send(method="POST", body=_with(inbox.url, f"Authorization: {SECRET}", "Host: elsewhere"))
    inbox.answers = [lambda got: (500, got.headers["authorization"].encode(), {})]
    work()
    said = [send(place).text, send().text, send(f"{place}/$status").text, refused.text, caplog.text]
    with psycopg.connect(database) as conn:
        said += [str(row) for row in conn.execute("SELECT s FROM subscription s").fetchall()]
        said += [str(row) for row in conn.execute("SELECT body FROM audit_event").fetchall()]
        queries = (
            "SELECT convert_from(decode(e ->> 'query', 'base64'), 'UTF8') FROM audit_event,"
            " json_array_elements(body -> 'entity') AS e WHERE e ->> 'query' IS NOT NULL"
        )
        asked = [row[0] for row in conn.execute(queries).fetchall()]
    assert any(text.startswith("POST /fhir/Subscription") for text in asked)
    assert any(inbox.url in text for text in asked), "what was kept is written down"
    assert not any("wrongly-logged" in text for text in [*said, *asked])


def test_under_another_key_they_are_not_opened_and_nothing_is_sent(send, work, inbox, people):
    send(method="POST", body=_with(inbox.url, f"Authorization: {SECRET}"))
    assert work(Keyring.generate()) == {"misconfigured": 1}
    assert inbox.got == []
    assert work() == {"greeted": 1}


def test_one_that_is_changed_without_them_has_none_any_more(send, work, inbox, people):
    made = send(method="POST", body=_with(inbox.url, f"Authorization: {SECRET}")).json()
    send(f"/{made['id']}", "PUT", {**wanted(inbox.url), "id": made["id"]})
    work()
    assert "authorization" not in inbox.got[0].headers


@pytest.mark.parametrize(
    "header",
    [
        "Host: elsewhere.example",
        "Content-Type: text/plain",
        "Transfer-Encoding: chunked",
        "Cookie: a=b",
        "Idempotency-Key: 1",
        "X-JWS-Signature: mine",
        "x-request-id: 7",
        "Authorization: a\r\nHost: b",
        "Authorization:",
        "Authorization",
        "X-Ä: b",
        "X-A: ä",
        f"X-A: {'b' * 5000}",
        7,
        None,
    ],
)
def test_what_may_not_go_along_is_refused_and_not_quoted(send, header):
    answer = send(method="POST", body=_with("https://clinic.example/in", header))
    assert answer.status_code == 422
    told = answer.json()["issue"][0]["diagnostics"]
    assert "channel.header" in told
    assert "elsewhere" not in told


@pytest.mark.parametrize("headers", [["X-A: 1", "x-a: 2"], [f"X-{n}: 1" for n in range(6)]])
def test_neither_twice_nor_many(send, headers):
    assert send(method="POST", body=_with("https://clinic.example/in", *headers)).status_code == 422

"""Keys under an address: rotation, an address that fails or is hostile, and how often it is asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import psycopg
import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.clients import Client, register_client
from exchange.api.keysets import AGAIN_SECONDS, KEPT_SECONDS, KeySets
from exchange.connectors import jwks
from exchange.connectors.jwks import fetch_jwks
from exchange.crypto import new_jwk_pair
from exchange.model.errors import ContentError, PartnerUnavailable

from .conftest import PARTNERS, Software


@pytest.fixture
def database(emptied_database):
    return emptied_database


class Publisher(ThreadingHTTPServer):
    """Serves `body` with `status` and `headers`, and counts."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status, self.headers, self.asked = b"", 200, {}, 0
        self.url = f"http://127.0.0.1:{self.server_port}/jwks.json"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def publisher():
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Timer:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def timer():
    return Timer()


@pytest.fixture
def service(service, timer):
    return replace(service, keysets=KeySets(timer=timer))


@pytest.fixture
def publishing(database, publisher):
    """Software that publishes the key it has now."""

    def with_key(pair):
        publisher.body = json.dumps({"keys": [pair[1]]}).encode()
        partner = PARTNERS["lakeside_hospital"]
        client = Client(
            "published", partner.code, {"keys": []}, ["system/*.rs"],
            list(partner.requests.roles), list(partner.requests.purposes), jwks_url=publisher.url,
        )  # fmt: skip
        with psycopg.connect(database) as conn:
            register_client(conn, client, partner, datetime.now(UTC))
        return Software("published", partner.code, *pair)

    return with_key


def status(api, software):
    return api.post("/auth/token", data=software.form()).status_code


def test_a_new_key_serves_and_the_old_one_ends(api, publishing, publisher, key_pairs, timer):
    old = publishing(key_pairs["ES384"])
    assert status(api, old) == 200
    timer.now += AGAIN_SECONDS
    new = publishing(new_jwk_pair("ES384"))
    assert status(api, new) == 200
    assert status(api, old) == 401
    assert publisher.asked == 2


def test_keys_are_kept_for_a_while_and_not_for_ever(api, publishing, publisher, key_pairs, timer):
    software = publishing(key_pairs["ES384"])
    assert [status(api, software) for _ in range(3)] == [200] * 3
    assert publisher.asked == 1
    publisher.status = 500
    timer.now += KEPT_SECONDS - 1
    assert status(api, software) == 200
    timer.now += 2
    assert status(api, software) == 401


def test_unknown_keys_make_nobody_ask_all_the_time(api, publishing, publisher, key_pairs):
    software = publishing(key_pairs["ES384"])
    assert status(api, software) == 200
    stranger = Software(software.client_id, software.participant, *new_jwk_pair("ES384"))
    assert [status(api, stranger) for _ in range(5)] == [401] * 5
    assert publisher.asked == 1


def test_who_comes_while_keys_are_fetched_waits_for_them(key_pairs, timer):
    asked, answered = threading.Event(), threading.Event()
    _, key = key_pairs["ES384"]

    def fetch(url):
        asked.set()
        assert answered.wait(10)
        return {"keys": [key]}

    keysets, found = KeySets(fetch, timer), []

    def ask():
        keysets.refresh("https://keys.example", key["kid"])
        found.append(len(keysets.keys("https://keys.example")["keys"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert asked.wait(10)
    time.sleep(0.1)
    assert found == []
    answered.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 4


def test_keys_that_are_unfit_are_no_keys(api, publishing, publisher, key_pairs):
    software = publishing(key_pairs["ES384"])
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    twice = [key_pairs["ES384"][1]] * 2
    publisher.body = json.dumps({"keys": [symmetric, 1, None, *twice]}).encode()
    assert status(api, software) == 401


@pytest.mark.parametrize(
    ("body", "code", "headers"),
    [
        (b"{", 200, {}),
        (b"[]", 200, {}),
        (b'{"keys": 1}', 200, {}),
        (b"[" * 60_000, 200, {}),
        (b" " * 70_000 + b'{"keys": []}', 200, {}),
        (b"", 302, {"Location": "http://169.254.169.254/latest/meta-data/"}),
        (b"", 301, {"Location": "https://keys.example/"}),
        (b'{"keys": []}', 500, {}),
    ],
)
def test_an_address_that_answers_otherwise_gives_no_keys(publisher, body, code, headers):
    publisher.body, publisher.status, publisher.headers = body, code, headers
    with pytest.raises(PartnerUnavailable):
        fetch_jwks(publisher.url)


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"]
)
def test_an_address_that_drips_is_left_after_some_seconds(start, monkeypatch):
    monkeypatch.setattr(jwks, "_LONGEST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()
        drip = threading.Thread(target=_drip, args=(listening, start, ended), daemon=True)
        drip.start()
        with pytest.raises(PartnerUnavailable):
            fetch_jwks(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        assert ended.wait(10)
        drip.join()


def _drip(listening, start, ended):
    """Sends a byte again and again, each before a timeout comes, until the other side has gone."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(4_096)
        try:
            connection.sendall(start)
            while not ended.wait(0.02):
                connection.sendall(b" ")
        except OSError:
            ended.set()


def test_a_name_that_leads_inside_only_when_it_is_asked_is_refused(publisher, monkeypatch):
    """Between the look-up and the request the name's address may be changed."""
    looked_up = []

    def resolve(host, port, *rest, **named):
        looked_up.append(host)
        address = "93.184.216.34" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(jwks, "check_jwks_url", lambda _: None)
    with pytest.raises(PartnerUnavailable, match="network of our own"):
        fetch_jwks(publisher.url.replace("127.0.0.1", "keys.example"))
    assert publisher.asked == 0
    assert len(looked_up) > 1


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks.json",
        "file:///etc/passwd",
        "ftp://keys.example/",
        "https://user:secret@keys.example/",
        "https:///jwks.json",
        "http://127.0.0.1.nip.example/",
        "gopher://127.0.0.1/",
        "jwks.json",
    ],
)
def test_an_address_that_is_not_https_is_not_registered(url, database):
    partner = PARTNERS["lakeside_hospital"]
    client = Client(
        "c-1", partner.code, {"keys": []}, ["system/*.rs"], ["organization"], ["TREAT"], jwks_url=url
    )
    with psycopg.connect(database) as conn, pytest.raises(ContentError):
        register_client(conn, client, partner, datetime.now(UTC))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]", "0.0.0.0", "192.168.1.1"]
)
def test_a_network_of_our_own_is_not_asked(host):
    with pytest.raises(PartnerUnavailable, match="network of our own"):
        fetch_jwks(f"https://{host}/jwks.json")


def test_a_jti_serves_once_in_all_processes(service, api, metrics, register):
    """Two applications with nothing in common but the database."""
    software = register("lakeside_hospital")
    form = software.form()
    other = create_app(replace(service, keysets=KeySets()), metrics)
    with TestClient(other, base_url=service.base_url) as second:
        assert api.post("/auth/token", data=form).status_code == 200
        answer = second.post("/auth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "status_"),
    [
        ({"consent_policy": ["urn:example:policy"], "consent_reference": ["https://hie.example/C/1"]}, 200),
        ({"subject_name": "Dr. A", "subject_id": "urn:oid:1.2.3#4", "organization_name": "Lakeside"}, 200),
        ({"consent_reference": ["https://hie.example/fhir/Consent/1"]}, 400),
        ({"consent_policy": "urn:example:policy"}, 400),
        ({"consent_policy": ["not a uri"]}, 400),
        ({"consent_policy": ["urn:x:1"] * 21}, 400),
        ({"subject_name": 1}, 400),
        ({"subject_name": "a\nb"}, 400),
    ],
)  # fmt: skip
def test_the_b2b_extension_is_taken_whole_or_not_at_all(api, register, audit_rows, changes, status_):
    software = register("lakeside_hospital")
    assertion = software.assertion(extensions={"hl7-b2b": software.b2b(**changes)})
    assert api.post("/auth/token", data=software.form(assertion)).status_code == status_
    if status_ == 200:
        (entry,) = [row for row in audit_rows() if row[0] == "token.issued"]
        told = parse_qs(b64decode(entry[3]["entity"][0]["query"]).decode())
        assert set(changes) <= set(told)


def test_what_the_assertion_says_of_who_asks_is_kept_whatever_the_form_says(api, register, audit_rows):
    """Who looks at whom is asked of the log: a form can neither rename the person nor push the name out."""
    software = register("lakeside_hospital")
    b2b = software.b2b(subject_name="Dr. A", subject_id="urn:oid:1.2.3#4")
    form = software.form(
        software.assertion(extensions={"hl7-b2b": b2b}), padding="x" * 3_000, subject_name="Dr. B"
    )
    assert api.post("/auth/token", data=form).status_code == 200
    (entry,) = [row for row in audit_rows() if row[0] == "token.issued"]
    told = parse_qs(b64decode(entry[3]["entity"][0]["query"]).decode())
    assert (told["subject_name"], told["subject_id"]) == (["Dr. A"], ["urn:oid:1.2.3#4"])

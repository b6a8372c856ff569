"""The API over real HTTP: uvicorn on loopback, sockets, threads."""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest
import requests

from exchange.api import patience
from exchange.api.serve import Address, serving
from exchange.audit import verify
from exchange.crypto import public_key
from exchange.model.ids import golden_id

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def url(service):
    with serving(service, Address(port=0)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def bearer(url, software):
    answer = requests.post(f"{url}/auth/token", data=software.form(), timeout=10)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def person(records):
    return records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])


def raw(url, text):
    """First line of the answer to bytes sent as they are."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        with suppress(OSError):  # answered and hung up already
            connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()


def test_a_client_discovers_asks_for_a_token_and_reads(url, software, person):
    configuration = requests.get(f"{url}/fhir/.well-known/smart-configuration", timeout=10).json()
    endpoint = configuration["token_endpoint"].replace("https://hie.example", url)
    token = requests.post(endpoint, data=software.form(), timeout=10).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    found = requests.get(
        f"{url}/fhir/Patient", params={"family": "Kowalska"}, headers=headers, timeout=10
    ).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [golden_id(person)]


def test_head_is_get_without_a_body(url, bearer, person):
    address = f"{url}/fhir/Patient/{golden_id(person)}"
    got, headed = (requests.request(m, address, headers=bearer, timeout=10) for m in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["etag"] == got.headers["etag"]


def test_the_server_does_not_say_what_it_runs_on(url):
    assert "server" not in requests.get(f"{url}/fhir/metadata", timeout=10).headers


def test_what_was_searched_for_is_in_no_log(url, bearer, person, caplog):
    with caplog.at_level(logging.DEBUG):
        for query in ("family=Kowalska", "family=Kowalska&colour=1", "birthdate=Kowalska"):
            requests.get(f"{url}/fhir/Patient?{query}", headers=bearer, timeout=10)
    assert not [
        r for r in caplog.records if "Kowalska" in r.getMessage() and not r.name.startswith("urllib3")
    ]


def test_readers_at_the_same_time_leave_one_unbroken_record(url, bearer, person, database, signing_key):
    address = f"{url}/fhir/Patient/{golden_id(person)}"
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: requests.get(address, headers=bearer, timeout=30), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    with psycopg.connect(database) as conn:
        assert verify(conn, public_key(signing_key)) == []
        kinds = conn.execute("SELECT kind, count(*) FROM audit_event GROUP BY kind ORDER BY kind").fetchall()
    assert kinds == [("read", 40), ("token.issued", 1)]


@pytest.mark.parametrize(
    "text",
    [
        b"GET /fhir/Patient\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET " + b"/" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nshort",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=lambda text: text[:24].decode("latin-1").strip(),
)
def test_bytes_that_are_no_request_do_not_stop_the_server(url, text):
    try:
        raw(url, text)
    except ConnectionError:
        pass  # hanging up is an answer too
    assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}


def test_a_head_without_an_end_is_not_taken_in(url):
    """Nobody has said yet who asks: whoever it is has neither the memory nor the processor."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as endless:
        sent = 0
        try:
            endless.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX: ")
            while sent < 64 << 20:
                endless.sendall(b"y" * (1 << 16))
                sent += 1 << 16
        except ConnectionError:
            pass
        assert sent < 16 << 20
    assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}


def test_what_is_no_request_is_told_so_in_fhir(url):
    host, port = url.removeprefix("http://").split(":")
    for text in (b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(text)
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"resourceType":"OperationOutcome"' in answer


def test_a_body_without_a_length_is_cut_off_at_the_limit(url):
    def endless():
        for _ in range(1_000):
            yield b"x" * 1_024

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        status = requests.post(f"{url}/auth/token", data=endless(), headers=headers, timeout=10).status_code
    except requests.ConnectionError:
        status = 413
    assert status == 413


@pytest.mark.parametrize(
    "head", [b"POST /auth/token HTTP/1.1\r\n", b"POST /fhir/Patient/_search HTTP/1.1\r\n"]
)
def test_a_body_that_does_not_come_is_not_waited_for(service, head):
    impatient = replace(service, limits=replace(service.limits, body_seconds=0.2))
    with serving(impatient, Address(port=0)) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(10)
        slow.sendall(head + b"Host: x\r\nContent-Length: 500\r\n\r\nfamily=Kow")
        said = slow.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 408")
    assert b'"code":"timeout"' in said


@pytest.mark.parametrize(
    ("before", "begun"), [(b"", b""), (b"", b"GET /health HTTP/1.1\r\nHost"), (HEALTH, b"GET /h")]
)
def test_a_connection_on_which_no_request_comes_is_closed(url, monkeypatch, before, begun):
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.2)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as idle:
        idle.sendall(before)
        assert not before or idle.recv(10_000).startswith(b"HTTP/1.1 200")
        idle.sendall(begun)
        assert idle.recv(10_000) == b""  # closed
    assert requests.get(f"{url}/health", timeout=10).status_code == 200


def test_a_head_that_comes_byte_by_byte_is_waited_for_no_longer(url, monkeypatch):
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=0.05) as slow:
        for byte in HEALTH * 2:
            try:
                slow.sendall(bytes([byte]))
                assert slow.recv(10_000) == b""
                return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("the connection was kept")


def test_an_idle_connection_is_kept_for_the_next_request(url, monkeypatch):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as kept:
        monkeypatch.setattr(patience, "HEAD_SECONDS", 0.2)
        for _ in range(2):
            kept.sendall(HEALTH)
            assert kept.recv(10_000).startswith(b"HTTP/1.1 200")
            threading.Event().wait(0.4)
        kept.sendall(HEALTH)
        assert kept.recv(10_000).startswith(b"HTTP/1.1 200")


def test_names_searched_in_a_body_do_not_come_back_in_a_url(url, bearer, records):
    for number in range(3):
        records.patient("prairie_clinic", f"q{number}", name=[{"family": "Kowalska"}])
    form = {"family": "Kowalska", "_count": "1"}
    page = requests.post(f"{url}/fhir/Patient/_search", data=form, headers=bearer, timeout=10).json()
    links = []
    while following := [link["url"] for link in page["link"] if link["relation"] == "next"]:
        links += following
        address = following[0].replace("https://hie.example", url)
        page = requests.get(address, headers=bearer, timeout=10).json()
    assert len(links) == 2
    assert not any("Kowalska" in link for link in links)


def test_a_hidden_page_that_is_not_ours_is_refused(url, bearer):
    answer = requests.get(f"{url}/fhir/Patient?_page=AAAA", headers=bearer, timeout=10)
    assert answer.status_code == 400

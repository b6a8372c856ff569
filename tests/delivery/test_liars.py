"""Receivers that answer nonsense, half a word, somebody else's word, too much or without end."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.connectors.http import Answer
from exchange.delivery import sending
from exchange.delivery.acknowledgement import of_message, of_notification, of_transaction
from exchange.delivery.outcomes import standings
from tests.connectors.sftp_partner import PASSWORD, SftpPartner
from tests.delivery.receiver import taken, transaction_response
from tests.delivery.world import delivery

JSON = {"Content-Type": "application/fhir+json"}
SENT = (("PUT", "Patient/1"), ("DELETE", "Encounter/2"))

_word = st.sampled_from(
    ["Bundle", "OperationOutcome", "transaction-response", "error", "fatal", "200 OK", "2"]
)
_name = st.sampled_from(
    ["resourceType", "type", "entry", "response", "status", "location", "issue", "severity"]
)
_nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | _word | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_name, inner, max_size=4),
    max_leaves=12,
)
_bundle = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle"), "type": st.just("transaction-response"), "entry": _nonsense}
)


@given(_nonsense | _bundle, st.sampled_from([200, 201, 204, 302, 409, 422, 500]))
def test_no_answer_is_an_error_of_ours_and_nonsense_is_no_acknowledgement(value, status):
    answer = Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())
    of_notification(answer)
    if of_transaction(answer, SENT).kind == "acknowledged":
        statuses = [entry["response"]["status"] for entry in value["entry"]]
        assert status < 300
        assert [str(each)[:1] for each in statuses] == ["2", "2"]


@given(st.binary(max_size=40))
def test_no_message_is_an_error_of_ours(content):
    assert of_message(content).kind in ("failed", "refused", "acknowledged")


@pytest.mark.parametrize("code", [b"AE", b"AR", b"CE", b"CR", b"AAA", b""])
def test_only_aa_and_ca_take_a_message(code):
    assert of_message(b"MSH|^~\\&|\rMSA|" + code + b"|1\r").kind == "refused"


def _outcome(*severities):
    issues = [{"severity": severity, "code": "processing"} for severity in severities]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode()


def _says(body, headers=None, status=200):
    return lambda _: (status, body, headers or JSON)


@pytest.mark.parametrize(
    ("kind", "answer", "outcome"),
    [
        ("fhir", _says(b"[]"), "refused"),
        ("fhir", _says(b'{"resourceType":"Bundle","type":"transaction-response","entry":7}'), "refused"),
        ("fhir", lambda got: (200, transaction_response(got)[1][:-9], JSON), "refused"),
        ("rest_hook", _says(b'{"resourceType":"OperationOutcome","issue":[{"severity":"err'), "failed"),
        ("rest_hook", _says(b'{"issue":', {"Content-Type": "text/plain"}), "failed"),
        ("rest_hook", _says(b"", {"Retry-After": "9" * 40}, 503), "failed"),
        ("rest_hook", _says(b'{"error":null}'), "acknowledged"),
        ("rest_hook", _says(b"OK", {"Content-Type": "text/plain"}), "acknowledged"),
    ],
)  # fmt: skip
def test_a_receiver_s_nonsense_ends_no_worker_and_is_not_taken_for_yes(
    kind, answer, outcome, world, receiver
):
    world.subscribe(notices=delivery(receiver(answer).url, kind=kind))
    world.admit(world.person()[0])
    assert world.send() == {outcome: 1}
    world.later(days=1, seconds=1)
    assert world.send() == ({outcome: 1} if outcome == "failed" else {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_where_a_receiver_sends_us_nobody_goes(status, world, receiver):
    """Not to another host, not to this machine, not to where a cloud keeps its secrets."""
    elsewhere = receiver()
    places = iter([elsewhere.url, "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "//10.0.0.1/"])
    inbox = receiver(lambda _: (status, b"", {"Location": next(places)}))
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    for _ in range(4):
        assert world.send() == {"failed": 1}
        world.later(hours=1)
    assert (len(inbox.got), elsewhere.got) == (4, [])


def test_an_answer_that_swells_is_not_read_to_its_end(world, receiver):
    """A gigabyte of zeros in a megabyte: what is held of it is no more than an answer may have."""
    bomb = gzip.compress(bytes(1 << 20), 9)
    many = bomb * 1024
    inbox = receiver(_says(many, {"Content-Encoding": "gzip"}))
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert world.send() == {"failed": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


@contextmanager
def _server(*said, every=0.03):
    """Says these pieces, one after the other, to everybody; the last one again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_say, args=(listening, said, every), daemon=True).start()
        yield listening.getsockname()[1]


def _say(listening, said, every):
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            try:
                for piece in said:
                    connection.sendall(piece)
                while True:
                    time.sleep(every)
                    connection.sendall(said[-1])
            except OSError:
                continue


@pytest.mark.parametrize(
    "said",
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Wait: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        (b"H",),
    ],
)
def test_an_answer_that_drips_for_ever_ends(said, world):
    with _server(*said) as port:
        options = {"url": f"http://127.0.0.1:{port}/", "timeout_seconds": 2, "longest_seconds": 0.4}
        world.subscribe(notices=delivery("", channel={"type": "rest_hook", "options": options}))
        world.admit(world.person()[0])
        began = time.monotonic()
        assert world.send() == {"failed": 1}
        assert time.monotonic() - began < 2


def test_a_body_that_ends_too_early_is_no_acknowledgement(world):
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\nConnection: close\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=partial(_say_once, listening, said), daemon=True).start()
        world.subscribe(notices=delivery(f"http://127.0.0.1:{listening.getsockname()[1]}/"))
        world.admit(world.person()[0])
        assert world.send() == {"failed": 1}


def _say_once(listening, said):
    connection, _ = listening.accept()
    with connection:
        connection.recv(1 << 20)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def _drop(port, host_key, **changes):
    options = {
        "host": "127.0.0.1", "port": port, "username": "mosaic", "password": PASSWORD, "host_key": host_key,
        "path": "/", "timeout_seconds": 5, "longest_seconds": 0.5, **changes,
    }  # fmt: skip
    return delivery("", channel={"type": "sftp", "options": options})


def test_a_file_server_that_drips_before_it_greets_ends(world):
    with _server(b"x") as port:
        world.subscribe(files=_drop(port, SftpPartner.a_host_key()))
        world.admit(world.person()[0])
        began = time.monotonic()
        assert world.send() == {"failed": 1}
        assert time.monotonic() - began < 3


def test_a_file_server_that_is_slow_at_every_step_ends_and_gets_the_same_again(world, tmp_path):
    partner = SftpPartner(tmp_path)
    try:
        partner.slowness = 0.3
        world.subscribe(files=_drop(partner.port, partner.public_host_key))
        world.admit(world.person()[0])
        began = time.monotonic()
        assert world.send() == {"failed": 1}
        assert time.monotonic() - began < 3
        partner.slowness = 0.0
        world.later(minutes=1)
        world.subscribe(files=_drop(partner.port, partner.public_host_key, longest_seconds=60))
        assert world.send() == {"acknowledged": 1}
    finally:
        partner.stop()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.rsplit(".", 1)[1] for name in names] == ["json", "jws"]


def test_a_file_server_without_extensions_gets_the_file_too_and_again(world, tmp_path):
    partner = SftpPartner(tmp_path)
    partner.extensions = False
    try:
        world.subscribe(files=_drop(partner.port, partner.public_host_key, longest_seconds=60))
        world.admit(world.person()[0])
        partner.password = "another"
        assert world.send() == {"failed": 1}
        partner.password = PASSWORD
        world.later(hours=1)
        (delivery_id,) = world.ask("SELECT delivery::text FROM delivery")
        (tmp_path / f"mosaic-{delivery_id}.json").write_text("an older one")
        assert world.send() == {"acknowledged": 1}
    finally:
        partner.stop()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"mosaic-{delivery_id}.json", f"mosaic-{delivery_id}.json.jws"]
    assert json.loads((tmp_path / names[0]).read_text())["type"] == "transaction"


def test_a_fault_of_ours_with_one_record_keeps_no_other_waiting(world, receiver, monkeypatch, caplog):
    inbox, whole, calls = receiver(taken), sending.compose, []

    def compose(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyError("Ana Rivera")
        return whole(*arguments)

    monkeypatch.setattr(sending, "compose", compose)
    world.subscribe(notices=delivery(inbox.url))
    for key in "12":
        world.admit(world.person(key)[0], key=key)
    assert world.send() == {"failed": 1, "acknowledged": 1}
    (waiting,) = standings(world.conn, ["open"])
    assert waiting.problem == "an error of the exchange's own: KeyError"
    assert "Rivera" not in caplog.text
    assert "KeyError" in caplog.text
    world.later(minutes=1)
    assert world.send() == {"acknowledged": 1}


@pytest.mark.parametrize(
    ("status", "kind", "whole"),
    [
        (200, "acknowledged", False), (204, "acknowledged", False), (299, "acknowledged", False),
        (199, "failed", False), (300, "failed", False), (302, "failed", True), (400, "refused", False),
        (401, "failed", True), (403, "failed", True), (404, "failed", True), (409, "failed", False),
        (410, "failed", True), (422, "refused", False), (429, "failed", True), (499, "refused", False),
        (500, "failed", False), (501, "failed", False), (503, "failed", True), (599, "failed", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("judge", [of_notification, lambda answer: of_transaction(answer, ())])
def test_each_status_means_one_thing(judge, status, kind, whole):
    empty = b'{"resourceType": "Bundle", "type": "transaction-response"}'
    verdict = judge(Answer(status, {"retry-after": "9"}, empty if status < 300 else b""))
    assert (verdict.kind, verdict.whole) == (kind, whole)
    assert verdict.wait == (9 if whole else None)


@pytest.mark.parametrize(
    ("body", "kind", "whole"),
    [
        (b" \n", "acknowledged", False),
        (b" <html>", "failed", True),
        (b"a < b", "acknowledged", False),
        (b'{"issue": [{"severity": "error"}]}', "acknowledged", False),
        (_outcome("information", "error"), "refused", False),
        (_outcome("fatal"), "refused", False),
        (_outcome("warning", "information"), "acknowledged", False),
        (b'{"success": false}', "refused", False),
        (b'{"success": true, "error": ""}', "acknowledged", False),
        (b'{"error": {"code": 7}}', "refused", False),
    ],
)
def test_a_body_that_comes_with_a_yes_may_say_no(body, kind, whole):
    verdict = of_notification(Answer(200, {}, body))
    assert (verdict.kind, verdict.whole) == (kind, whole)


@pytest.mark.parametrize("message", [b"", b"MSH|^~\\&|\r", b"MSH|^~\\&|\rMSA\r", b"MSAX|AA|1\r", b"\xff\xfe"])
def test_what_is_no_acknowledgement_takes_nothing(message):
    assert of_message(message).kind == "failed"

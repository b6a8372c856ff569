"""Receivers that are away, slow, lie, or acknowledge twice; files over SFTP; messages over MLLP."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from exchange.connectors.channels import acknowledged_id
from exchange.connectors.http import Answer
from exchange.crypto import public_jwk, verify_detached
from exchange.delivery import sending
from exchange.delivery.acknowledgement import of_notification, of_transaction
from exchange.delivery.outcomes import standings
from exchange.delivery.sending import turns
from tests.connectors.sftp_partner import PASSWORD, SftpPartner
from tests.delivery.receiver import taken, transaction_response
from tests.delivery.world import KEY, delivery

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}


def _json(value, status=200):
    return lambda got: (status, json.dumps(value).encode(), {"Content-Type": "application/fhir+json"})


def _other_ids(got):
    status, body, headers = transaction_response(got)
    return status, body.replace(b"Encounter/", b"Encounter/x"), headers


def _one_short(got):
    bundle = json.loads(transaction_response(got)[1])
    return 200, json.dumps({**bundle, "entry": bundle["entry"][1:]}).encode(), {}


def _one_refused(got):
    bundle = json.loads(transaction_response(got)[1])
    bundle["entry"][0]["response"] = {"status": "422 Unprocessable Entity"}
    return 200, json.dumps(bundle).encode(), {}


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        ("rest_hook", _json(OUTCOME), "answered 200 with an error (processing)"),
        ("rest_hook", _json({"error": "no room for Ana Rivera"}), "answered 200 with an error"),
        ("rest_hook", _json(OUTCOME, 400), "answered 400 (processing)"),
        ("fhir", _json(OUTCOME), "answered 200 with an error (processing)"),
        ("fhir", taken, "answered 200 without a transaction-response: what it took cannot be told"),
        ("fhir", _other_ids, "answered 200 with another id for Encounter: what it took cannot be told"),
        ("fhir", _one_refused, "refused Patient with 422"),
    ],
)
def test_a_lying_receiver_is_not_believed(kind, answer, problem, world, receiver):
    inbox = receiver(answer)
    world.subscribe(notices=delivery(inbox.url, kind=kind))
    world.admit(world.person()[0])
    assert world.send() == {"refused": 1}
    (parked,) = standings(world.conn, ["parked"])
    assert parked.problem == problem
    assert world.ask("SELECT outcome FROM receipt") == ["refused"]


def test_an_answer_for_fewer_entries_than_were_sent_is_a_lie(world, receiver):
    world.subscribe(notices=delivery(receiver(_one_short).url, kind="fhir"))
    world.admit(world.person()[0])
    assert world.send() == {"refused": 1}


def test_a_page_of_a_proxy_is_no_acknowledgement(world, receiver):
    inbox = receiver(lambda got: (200, b"<html>log in to the network</html>", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    assert world.send() == {"failed": 1}
    world.later(minutes=1)
    assert world.send() == {"acknowledged": 1}


def test_a_receiver_that_hangs_up_or_is_away_gets_the_same_again(world, receiver):
    inbox = receiver(lambda got: (0, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    assert world.send() == {"failed": 1}
    assert world.ask("SELECT outcome FROM receipt") == ["unanswered"]
    world.later(minutes=1)
    assert world.send() == {"acknowledged": 1}
    assert inbox.got[0].key == inbox.got[1].key
    assert world.ask("SELECT outcome FROM receipt") == ["acknowledged"]


def test_a_slow_receiver_keeps_no_other_destination_waiting(world, receiver):
    held = threading.Event()

    def slow(got):
        held.wait(10)
        return 200, b"", {}

    slow_inbox, quick = receiver(slow), receiver()
    world.subscribe(slow=delivery(slow_inbox.url), quick=delivery(quick.url))
    world.admit(world.person()[0])
    sending = threading.Thread(target=world.send)
    sending.start()
    while not quick.got and sending.is_alive():
        time.sleep(0.01)
    assert quick.got
    assert sending.is_alive()
    held.set()
    sending.join(10)


def test_a_slow_receiver_keeps_what_comes_later_for_others_waiting_neither(world, receiver):
    """The worker goes on turn after turn while one answer is waited for."""
    held = threading.Event()

    def slow(got):
        held.wait(10)
        return 200, b"", {}

    quick = receiver()
    world.subscribe(slow=delivery(receiver(slow).url), quick=delivery(quick.url))
    working = turns(world.post())
    try:
        for key in "12":
            world.admit(world.person(key)[0], key=key)
            patience = time.monotonic() + 5
            while len(quick.got) < int(key) and time.monotonic() < patience:
                next(working)
                time.sleep(0.01)
            assert len(quick.got) == int(key)
        assert not held.is_set()
    finally:
        held.set()
        working.close()


def test_a_destination_gives_its_place_back_after_a_while(world, receiver, monkeypatch):
    monkeypatch.setattr(sending, "_TURN_SECONDS", 0.0)
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    world.admit(world.person()[0])
    working = turns(world.post())
    assert [next(working) or time.sleep(0.05) for _ in range(4)] == [None] * 4
    working.close()
    assert inbox.got == []
    assert world.send() == {"acknowledged": 1}


def test_credentials_that_are_refused_park_nothing(world, receiver):
    inbox = receiver(lambda got: (403, b"", {}))
    world.subscribe(notices=delivery(inbox.url))
    for key in "12":
        world.admit(world.person(key)[0], key=key)
    assert world.send() == {"failed": 1}
    assert standings(world.conn, ["parked"]) == []


@pytest.fixture
def sftp(tmp_path):
    partner = SftpPartner(tmp_path)
    yield partner
    partner.stop()


def _sftp(partner, **changes):
    options = {
        "host": "127.0.0.1", "port": partner.port, "username": "mosaic", "password": PASSWORD,
        "host_key": partner.public_host_key, "path": "/",
    }  # fmt: skip
    return delivery("", channel={"type": "sftp", "options": options}, **changes)


def test_a_bundle_is_dropped_whole_with_its_signature(world, sftp, tmp_path):
    world.subscribe(files=_sftp(sftp))
    world.admit(world.person()[0])
    assert world.send() == {"acknowledged": 1}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.rsplit(".", 1)[1] for name in names] == ["json", "jws"]
    body = (tmp_path / names[0]).read_bytes()
    assert json.loads(body)["type"] == "transaction"
    keys = {"keys": [public_jwk(KEY, "EdDSA")]}
    assert verify_detached(body, (tmp_path / names[1]).read_text(), keys)


def test_the_light_form_has_no_more_than_a_notice_needs(world, sftp, tmp_path):
    world.subscribe(files=_sftp(sftp, form="csv"))
    reason = [{"text": "chest pain"}]
    world.admit(world.person(telecom=[{"system": "phone", "value": "+1 555 0100"}])[0], reasonCode=reason)
    assert world.send() == {"acknowledged": 1}
    (path,) = tmp_path.glob("*.csv")
    header, row = path.read_text().splitlines()
    assert header.startswith("event,time,person,name,birth_date,phone")
    assert row.startswith("admission,")
    assert "Ana Rivera1,1980-02-03,'+1 555 0100,Encounter IMP" in row
    assert "chest" not in path.read_text()


def test_a_page_is_for_those_who_read_paper(world, sftp, tmp_path):
    world.subscribe(files=_sftp(sftp, form="pdf"))
    world.admit(world.person()[0])
    assert world.send() == {"acknowledged": 1}
    (path,) = tmp_path.glob("*.pdf")
    assert path.read_bytes().startswith(b"%PDF-")


class Listener:
    """An MLLP receiver; `answers` make what it says to each message, several blocks if it likes."""

    def __init__(self, *answers):
        self.answers, self.messages = list(answers), []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while not data.endswith(b"\x1c\r"):
                    data += connection.recv(65536)
                message = data[1:-2]
                self.messages.append(message)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                connection.sendall(answer(message.split(b"|")[9]))


def _ack(code, control):
    return b"\x0bMSH|^~\\&|R|R|||20261123||ACK|1|P|2.5.1\rMSA|" + code + b"|" + control + b"\r\x1c\r"


@pytest.fixture
def listener():
    made = []

    def make(*answers):
        made.append(Listener(*answers))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


def _mllp(port):
    options = {"host": "127.0.0.1", "port": port, "timeout_seconds": 2, "facility": "CLINIC"}
    return delivery("", channel={"type": "mllp", "options": options})


def test_an_admission_is_an_adt_message_for_those_who_cannot_read_fhir(world, listener):
    inbox = listener(lambda control: _ack(b"AA", control))
    world.subscribe(adt=_mllp(inbox.port))
    hospital, _ = world.person()
    world.admit(hospital)
    assert world.send() == {"acknowledged": 1}
    world.admit(hospital, "finished")
    assert world.send() == {"acknowledged": 1}
    first, second = (message.decode().split("\r") for message in inbox.messages)
    assert first[0].split("|")[4:6] == ["RECEIVER", "CLINIC"]
    assert first[0].split("|")[8] == "ADT^A01^ADT_A01"
    assert "Rivera1^Ana" in first[2]
    assert first[2].split("|")[7:9] == ["19800203", "U"]
    assert first[3].split("|")[2] == "I"
    assert first[3].split("|")[44] == "20261122100000-0600"
    assert second[0].split("|")[8] == "ADT^A03^ADT_A03"


def test_what_a_receiver_says_twice_is_not_taken_for_the_next_answer(world, listener):
    stale = _ack(b"AA", b"of another message")
    inbox = listener(lambda control: stale + _ack(b"AE", control))
    world.subscribe(adt=_mllp(inbox.port))
    world.admit(world.person()[0])
    assert world.send() == {"refused": 1}
    (parked,) = standings(world.conn, ["parked"])
    assert parked.problem == "acknowledged with AE"


def test_an_acknowledgement_that_drips_ends(world):
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        threading.Thread(target=_drip_mllp, args=(dripping,), daemon=True).start()
        options = {"host": "127.0.0.1", "port": dripping.getsockname()[1], "timeout_seconds": 0.3}
        world.subscribe(adt=delivery("", channel={"type": "mllp", "options": options}))
        world.admit(world.person()[0])
        assert world.send() == {"failed": 1}


def _drip_mllp(listening):
    connection, _ = listening.accept()
    with connection:
        try:
            connection.sendall(b"\x0b")
            while True:
                connection.sendall(b"M")
                time.sleep(0.02)
        except OSError:
            return


def test_a_message_acknowledged_to_somebody_else_is_sent_again_under_its_control_id(world, listener):
    inbox = listener(lambda control: _ack(b"AA", b"17"), lambda control: _ack(b"AA", control))
    world.subscribe(adt=_mllp(inbox.port))
    world.admit(world.person()[0])
    assert world.send() == {"failed": 1}
    world.later(minutes=1)
    assert world.send() == {"acknowledged": 1}
    controls = {message.split(b"|")[9] for message in inbox.messages}
    assert len(controls) == 1
    assert acknowledged_id(b"MSH|\rMSA|AA|" + controls.pop() + b"\r")


def test_a_conflict_is_tried_again():
    """Two writers met; another time it goes through."""
    assert of_notification(Answer(409, {}, b"")).kind == "failed"


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_a_transaction_with_other_entries_than_were_sent_is_not_believed(entries):
    body = {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [{"response": {"status": "200"}}] * entries,
    }
    sent = [("PUT", "Patient/1"), ("PUT", "Patient/2")]
    assert of_transaction(Answer(200, {}, json.dumps(body).encode()), sent).kind == "refused"

"""A sender killed by its receiver: before, in the middle of and after what it sends, over each channel."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from exchange.delivery.sending import deliver
from tests.connectors.sftp_partner import PASSWORD, SftpPartner
from tests.delivery.world import delivery
from tests.repository.repository_world import observation

PEOPLE, WAVES, KILLS = 3, 4, 10
CUT_OFF = ("connected", "in the body", "in the message")
"""Stages at which the rest never comes; so little lies ready in the kernel of this machine already."""
CATEGORY = [{"coding": [{"code": "laboratory"}]}]


@dataclass
class Killer:
    """Kills the process that sends, by chance, at a stage its receiver has seen, and so many times."""

    chance: random.Random
    left: int = KILLS
    victim: int = 0
    done: list[str] = field(default_factory=list)

    def at(self, stage: str) -> None:
        if self.left and self.victim and self.chance.random() < 0.3:
            self.left -= 1
            self.done.append(stage)
            victim, self.victim = self.victim, 0
            os.kill(victim, signal.SIGKILL)
            if stage in CUT_OFF:
                raise ConnectionAbortedError


@dataclass
class Inbox:
    """What arrived whole, in order: (key, text)."""

    options: dict[str, object]
    kind: str
    arrived: list[tuple[str, str]] = field(default_factory=list)


def _reads(connection: socket.socket, killer: Killer) -> bytes:
    """A request, a little at a time; empty when who sent it is gone."""
    killer.at("connected")
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(512)
        if not got:
            return b""
        data += got
    length = int(data.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(data) < data.index(b"\r\n\r\n") + 4 + length:
        killer.at("in the body")
        got = connection.recv(2048)
        if not got:
            return b""
        data += got
    return data


def _http(connection: socket.socket, inbox: Inbox, killer: Killer) -> None:
    while data := _reads(connection, killer):
        head, _, body = data.partition(b"\r\n\r\n")
        key = head.lower().split(b'idempotency-key: "')[1].split(b'"')[0]
        inbox.arrived.append((key.decode(), body.decode()))
        killer.at("taken")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        time.sleep(killer.chance.uniform(0, 0.004))
        killer.at("answered")


def _mllp(connection: socket.socket, inbox: Inbox, killer: Killer) -> None:
    killer.at("connected")
    data = b""
    while not data.endswith(b"\x1c\r"):
        got = connection.recv(64)
        if not got:
            return
        data += got
        killer.at("in the message")
    control = data.split(b"|")[9]
    inbox.arrived.append((control.decode(), data.decode()))
    killer.at("taken")
    connection.sendall(b"\x0bMSH|^~\\&|R|R|||2026||ACK|1|P|2.5.1\rMSA|AA|" + control + b"\r\x1c\r")
    time.sleep(killer.chance.uniform(0, 0.004))
    killer.at("answered")


def _serve(listening: socket.socket, serve: Callable[..., None], inbox: Inbox, killer: Killer) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            serve(connection, inbox, killer)


@pytest.fixture(params=["rest_hook", "mllp", "sftp"])
def inbox(request, killer, tmp_path) -> Iterator[Inbox]:
    if request.param == "sftp":
        partner = SftpPartner(tmp_path)
        partner.watch = killer.at
        options = {
            "host": "127.0.0.1", "port": partner.port, "username": "mosaic", "password": PASSWORD,
            "host_key": partner.public_host_key, "path": "/",
        }  # fmt: skip
        yield Inbox(options, "sftp", partner.arrived)
        partner.stop()
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        web = {"url": f"http://127.0.0.1:{port}/", "timeout_seconds": 5}
        options = web if request.param == "rest_hook" else {"host": "127.0.0.1", "port": port}
        made = Inbox(options, request.param)
        serve: Callable[..., None] = _http if request.param == "rest_hook" else _mllp
        threading.Thread(target=_serve, args=(listening, serve, made, killer), daemon=True).start()
        yield made


@pytest.fixture
def killer() -> Killer:
    return Killer(random.Random(random.randrange(1 << 32)))


def _send_until_killed(world, killer: Killer) -> None:
    """A process of its own, as a worker is; it holds nothing of ours but its own connections."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            deliver(world.post())
            status = 0
        finally:
            os._exit(status)
    killer.victim = pid
    _, status = os.waitpid(pid, 0)
    killer.victim = 0
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0


def _wave(world, people: list[str], wave: int, kind: str) -> None:
    for place, person in enumerate(people):
        if kind == "mllp":
            world.admit(person, key=f"v{place}-{wave}")
            continue
        result = observation("hospital", person, f"o{place}-{wave}", category=CATEGORY)
        world.publish(world.item("hospital", result))


def test_who_is_killed_while_he_sends_loses_and_repeats_nothing(world, inbox, killer):
    people = [world.person(str(n))[0] for n in range(PEOPLE)]
    topics = ("admission",) if inbox.kind == "mllp" else ("new-result",)
    world.subscribe(notices=delivery("", *topics, channel={"type": inbox.kind, "options": inbox.options}))
    for wave in range(WAVES):
        _wave(world, people, wave, inbox.kind)
        _send_until_killed(world, killer)
    deadline = time.monotonic() + 20
    while _open(world) and time.monotonic() < deadline:
        _send_until_killed(world, killer)
    assert killer.done, "nobody was killed"
    _holds(world, inbox, killer)


def _open(world) -> bool:
    waiting = "SELECT count(*) FROM outbox UNION ALL SELECT count(*) FROM delivery WHERE state = 'open'"
    return any(world.ask(f"{waiting} UNION ALL SELECT count(*) FROM delivery_event WHERE delivery IS NULL"))


def _holds(world, inbox: Inbox, killer: Killer) -> None:
    events = world.conn.execute(
        "SELECT e.event, e.delivery::text, e.person::text, d.state FROM delivery_event e"
        " LEFT JOIN delivery d USING (delivery) ORDER BY e.event"
    ).fetchall()
    seen = f"killed when {killer.done}"
    assert len(events) == PEOPLE * WAVES
    assert {state for *_, state in events} == {"acknowledged"}, seen
    first = list(dict.fromkeys(key for key, _ in inbox.arrived))
    if inbox.kind != "mllp":  # whose keys are of messages, one for each event
        assert set(first) == {name for _, name, _, _ in events}, seen
    else:
        assert len(first) == PEOPLE * WAVES, seen
    for person in {person for *_, person, _ in events}:
        asked = list(dict.fromkeys(name for _, name, whose, _ in events if whose == person))
        got = [key for key, _ in inbox.arrived if key in asked]
        assert sorted(got, key=asked.index) == got, f"{seen}: out of order"
    receipts = "SELECT count(*) FROM receipt WHERE outcome = 'acknowledged' GROUP BY delivery"
    assert set(world.ask(receipts)) == {1}, seen
    (told,) = world.ask("SELECT count(*) FROM audit_event WHERE kind = 'disclosure'")
    (sent,) = world.ask("SELECT count(*) FROM delivery")
    assert told == sent, f"{seen}: one delivery of one person is one record in the log"

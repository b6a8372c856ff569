"""The listener acknowledges what it has and only that, whatever the sender does."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from listener_process import process
from sender import Sender, block, message

from exchange.connectors.journal import JournalWriter, read_journal
from exchange.connectors.mllp_listener import listening
from exchange.connectors.options import MllpOptions
from exchange.crypto import Keyring

RING = Keyring.generate()
BURST = 10_000


@contextmanager
def running(
    land: Callable[[Sequence[bytes]], None], tls: ssl.SSLContext | None = None, **options: object
) -> Iterator[int]:
    """A listener in a thread of its own; gives its port and stops it in good order."""
    started, stop = threading.Event(), asyncio.Event()
    found: list[int] = []
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        async with listening(MllpOptions(port=0, **options), land, tls) as (_, port):
            found.append(port)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),))
    thread.start()
    try:
        assert started.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    with JournalWriter(tmp_path, RING) as writer:
        yield writer


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """Ten thousand separate waits for a disk would say much about the disk and nothing about the listener."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def kept(folder: Path) -> list[bytes]:
    return [payload for _, payload in read_journal(folder, RING)]


def ids(count: int) -> list[str]:
    return [f"M{number}" for number in range(count)]


def test_a_message_is_in_the_journal_when_its_answer_arrives(journal: JournalWriter, tmp_path: Path) -> None:
    with running(journal.append) as port, Sender(port) as sender:
        for number, name in enumerate(ids(5), start=1):
            assert sender.exchange([message(name)]) == [("AA", name)]
            assert len(kept(tmp_path)) == number


def test_fragments_and_several_in_one_packet_are_all_answered(journal: JournalWriter) -> None:
    with running(journal.append) as port, Sender(port) as sender:
        stream = b"".join(block(message(name)) for name in ids(3))
        for at in range(0, len(stream), 11):
            sender.socket.sendall(stream[at : at + 11])
        sender.send(*map(message, ids(3)))
        assert sender.answers(6) == [("AA", name) for name in ids(3) * 2]


def test_a_burst_sent_ahead_is_answered_in_order(journal: JournalWriter, tmp_path: Path) -> None:
    messages = [message(name) for name in ids(BURST)]
    with running(journal.append) as port, Sender(port) as sender:
        sender.send(*messages)
        assert sender.answers(BURST) == [("AA", name) for name in ids(BURST)]
    assert kept(tmp_path) == messages


def test_a_burst_message_by_message_is_answered_in_order(memory_folder: Path) -> None:
    messages = [message(name) for name in ids(BURST)]
    with (
        JournalWriter(memory_folder, RING) as journal,
        running(journal.append) as port,
        Sender(port) as sender,
    ):
        assert sender.exchange(messages) == [("AA", name) for name in ids(BURST)]
    assert kept(memory_folder) == messages


def test_commits_are_shared_by_what_arrives_meanwhile() -> None:
    commits: list[int] = []
    free = threading.Event()

    def slow(payloads: Sequence[bytes]) -> None:
        commits.append(len(payloads))
        assert free.wait(10)

    with running(slow) as port, Sender(port) as first, Sender(port) as second, Sender(port) as third:
        first.send(message("M0"))
        while not commits:
            pass
        second.send(message("M1"))
        third.send(message("M2"))
        threading.Timer(0.2, free.set).start()
        assert [s.answer()[0] for s in (first, second, third)] == ["AA"] * 3
    assert commits == [1, 2]


def test_what_is_not_hl7_is_refused_and_not_kept(journal: JournalWriter, tmp_path: Path) -> None:
    with running(journal.append) as port, Sender(port) as sender:
        sender.send(b"<ClinicalDocument/>", message("M1"), message(""), message("M2"))
        assert sender.answers(4) == [("AR", ""), ("AA", "M1"), ("AR", ""), ("AA", "M2")]
    assert kept(tmp_path) == [message("M1"), message("M2")]


def test_an_oversize_message_is_refused_by_name_and_the_connection_lives_on(
    journal: JournalWriter, tmp_path: Path
) -> None:
    with running(journal.append, largest_message_mb=1) as port, Sender(port) as sender:
        sender.send(message("BIG", "x" * (1 << 20)), message("M1"))
        assert sender.answers(2) == [("AR", "BIG"), ("AA", "M1")]
    assert kept(tmp_path) == [message("M1")]


def test_when_nothing_can_be_kept_the_sender_is_told_to_try_again(journal: JournalWriter) -> None:
    failing = [OSError("no space")]

    def land(payloads: Sequence[bytes]) -> None:
        if failing:
            raise failing.pop()
        journal.append(payloads)

    with running(land) as port, Sender(port) as sender:
        assert sender.exchange([message("M1"), message("M1")]) == [("AE", "M1"), ("AA", "M1")]


def test_a_message_broken_off_by_the_sender_is_not_kept(journal: JournalWriter, tmp_path: Path) -> None:
    with running(journal.append) as port:
        with Sender(port) as sender:
            sender.socket.sendall(block(message("M1"))[:-9])
        with Sender(port) as sender:
            assert sender.exchange([message("M2")]) == [("AA", "M2")]
    assert kept(tmp_path) == [message("M2")]


def test_stopping_answers_what_was_received(tmp_path: Path) -> None:
    received, free = threading.Event(), threading.Event()

    def slow(payloads: Sequence[bytes]) -> None:
        received.set()
        assert free.wait(10)

    with running(slow) as port:
        sender = Sender(port)
        sender.send(message("M1"))
        assert received.wait(10)
        threading.Timer(0.3, free.set).start()
    assert sender.answer() == ("AA", "M1")
    sender.socket.close()


def test_no_message_shows_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(payloads: Sequence[bytes]) -> None:
        raise ValueError(payloads[0].decode())

    with caplog.at_level("DEBUG"), running(fail) as port, Sender(port) as sender:
        sender.exchange([message("M1"), b"Jane Roe"])
    assert "journal took nothing: ValueError" in caplog.text
    assert "refused" in caplog.text
    assert "Jane" not in caplog.text


def stream_until_killed(port: int, listener: subprocess.Popen[str], acknowledged: int) -> list[str]:
    """Sends ahead without end; kills the listener once it has acknowledged so many; ids it acknowledged."""
    with Sender(port) as sender:

        def send() -> None:
            try:
                for number in range(200_000):
                    sender.send(message(f"K{number}"))
            except OSError:
                return

        thread = threading.Thread(target=send)
        thread.start()
        found = [sender.answer()[1] for _ in range(acknowledged)]
        os.kill(listener.pid, signal.SIGKILL)
        try:
            while True:
                found.append(sender.answer()[1])
        except OSError:
            thread.join()
    return found


@pytest.mark.parametrize("acknowledged", [1, 700])
def test_a_killed_listener_has_kept_all_it_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    with process(tmp_path, RING) as (listener, port):
        told = stream_until_killed(port, listener, acknowledged)
    with process(tmp_path, RING) as (listener, port), Sender(port) as sender:
        # The sender sends again what it was not told of, and the last it was told of for good measure.
        assert sender.exchange([message(told[-1]), message("AFTER")])[-1] == ("AA", "AFTER")
    found = kept(tmp_path / "mllp" / "lake")
    assert {message(name) for name in [*told, "AFTER"]} <= set(found)
    assert found[: len(told)] == [message(name) for name in told]

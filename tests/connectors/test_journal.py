"""What the journal has taken is there after any crash; what it has not taken is not half there."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.connectors import journal
from exchange.connectors.journal import JournalBroken, JournalWriter, read_journal, release
from exchange.crypto import Keyring, SealBroken
from exchange.model.errors import Conflict

RING = Keyring.generate()


def write(folder: Path, *batches: list[bytes]) -> Path:
    """A closed journal with these commits; gives the segment they are in."""
    with JournalWriter(folder, RING) as writer:
        for batch in batches:
            writer.append(batch)
    return sorted(folder.glob("*.journal"))[-1]


def read(folder: Path, position: dict[str, int] | None = None) -> list[bytes]:
    return [payload for _, payload in read_journal(folder, RING, position)]


def test_messages_come_back_in_order_across_restarts(tmp_path: Path) -> None:
    write(tmp_path, [b"1", b"2"], [b"3"])
    write(tmp_path, [b"4"])
    assert read(tmp_path) == [b"1", b"2", b"3", b"4"]


def test_every_position_resumes_exactly_after_its_message(tmp_path: Path) -> None:
    write(tmp_path, [b"1", b"2", b"3"], [b"4"])
    write(tmp_path, [b"5", b"6"])
    seen = list(read_journal(tmp_path, RING))
    for index, (position, _) in enumerate(seen):
        assert read(tmp_path, position) == [payload for _, payload in seen[index + 1 :]]


def test_an_absent_journal_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") == []


def test_a_tail_cut_at_any_byte_loses_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    segment = write(tmp_path, [b"kept"])
    whole = segment.stat().st_size
    segment = write(tmp_path / "longer", [b"kept"], [b"torn", b"torn too"])
    content = segment.read_bytes()
    for length in range(whole, len(content)):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / segment.name).write_bytes(content[:length])
        assert read(folder) == [b"kept"]
        write(folder, [b"next"])
        assert read(folder) == [b"kept", b"next"]


def test_a_tail_of_zeros_after_a_power_cut_is_cut_away(tmp_path: Path) -> None:
    segment = write(tmp_path, [b"kept"])
    with segment.open("ab") as file:
        file.write(bytes(4096))
    write(tmp_path, [b"next"])
    assert read(tmp_path) == [b"kept", b"next"]


def test_a_segment_cut_off_in_its_head_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path, [b"kept"])
    (tmp_path / "999999999999.journal").write_bytes(b"MXJ1\x00")
    assert read(tmp_path) == [b"kept"]
    write(tmp_path, [b"next"])
    assert read(tmp_path) == [b"kept", b"next"]


def test_damage_before_acknowledged_messages_is_never_taken_for_a_tail(tmp_path: Path) -> None:
    segment = write(tmp_path, [b"damaged"], [b"acknowledged"])
    content = bytearray(segment.read_bytes())
    first = content.index(b"\xf7MXF")
    for at in (first, first + 5, first + 20):
        damaged = bytearray(content)
        damaged[at] ^= 1
        segment.write_bytes(damaged)
        with pytest.raises(JournalBroken):
            read(tmp_path)
        with pytest.raises(JournalBroken):
            JournalWriter(tmp_path, RING)


def test_a_segment_that_is_not_the_last_must_be_whole(tmp_path: Path) -> None:
    first = write(tmp_path, [b"1"])
    write(tmp_path, [b"2"])
    os.truncate(first, first.stat().st_size - 1)
    with pytest.raises(JournalBroken, match=f"segment {int(first.stem)}"):
        read(tmp_path)


def test_a_journal_begun_anew_in_an_emptied_folder_is_not_taken_for_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "lost", *[[b"%d" % number] for number in range(9)])
    position = list(read_journal(tmp_path / "lost", RING))[-1][0]
    now = journal.time.time() + 1
    monkeypatch.setattr(journal.time, "time", lambda: now)
    write(tmp_path / "new", [b"new"])
    assert read(tmp_path / "new", position) == [b"new"]


def test_another_keyring_reads_nothing_and_cuts_nothing(tmp_path: Path) -> None:
    segment = write(tmp_path, [b"1"])
    before = segment.read_bytes()
    with pytest.raises(SealBroken):
        list(read_journal(tmp_path, Keyring.generate()))
    with pytest.raises(SealBroken):
        JournalWriter(tmp_path, Keyring.generate())
    assert segment.read_bytes() == before


def test_a_second_writer_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, RING), pytest.raises(Conflict):
        JournalWriter(tmp_path, RING)
    write(tmp_path, [b"now"])
    assert read(tmp_path) == [b"now"]


def test_a_failed_sync_takes_nothing_and_the_next_append_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalWriter(tmp_path, RING) as writer:
        writer.append([b"kept"])
        with monkeypatch.context() as broken:
            broken.setattr(journal.os, "fdatasync", _fail)
            with pytest.raises(OSError, match="disk"):
                writer.append([b"lost"])
        writer.append([b"next"])
    assert read(tmp_path) == [b"kept", b"next"]


def _fail(descriptor: int) -> None:
    raise OSError("disk")


def test_a_large_journal_rolls_into_segments(tmp_path: Path) -> None:
    messages = [b"%d" % number * 50 for number in range(40)]
    with JournalWriter(tmp_path, RING, segment_bytes=500) as writer:
        for message in messages:
            writer.append([message])
    assert len(list(tmp_path.glob("*.journal"))) > 4
    assert read(tmp_path) == messages


def test_a_reader_beside_the_writer_sees_what_was_there_when_it_began(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, RING) as writer:
        writer.append([b"1"])
        reading = read_journal(tmp_path, RING)
        position, payload = next(reading)
        writer.append([b"2"])
        assert (payload, [p for _, p in reading]) == (b"1", [])
        assert read(tmp_path, position) == [b"2"]


def test_only_segments_that_were_pulled_and_are_old_are_released(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, [b"%d" % number])
    second = list(read_journal(tmp_path, RING))[1][0]
    now = datetime.now(UTC)
    assert release(tmp_path, second, before=now - timedelta(days=7)) == 0
    assert release(tmp_path, second, before=now + timedelta(days=1)) == 1
    assert read(tmp_path) == [b"1", b"2"]


def test_nothing_on_the_disk_shows_a_message(tmp_path: Path) -> None:
    segment = write(tmp_path, [b"PID|1||JaneRoe"])
    assert b"JaneRoe" not in segment.read_bytes()

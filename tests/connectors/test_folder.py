"""A folder keeps the contract; unfinished, compressed and damaged files are told apart."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import time
from pathlib import Path

import pytest
from contract import ConnectorContract, found, markers, pull
from partners import opened, partner

from exchange.connectors import Connector, files
from exchange.model.errors import PartnerRefused


class FolderPartner:
    """Files with a patient's name in theirs, one record each, ten minutes apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = 0

    def connect(self, match: str = "*.xml", **more: object) -> Connector:
        feed = {"snapshot": more.pop("snapshot", False)}
        options = {"path": "${OUTBOX}", "settle_seconds": 0.01, **more}
        return opened(partner("folder", options, match, **feed), OUTBOX=str(self.folder))

    def add(self, *names: str) -> None:
        for name in names:
            self.write(f"Roe-{self.written}.xml", f"<{name}/>".encode())

    def write(self, name: str, content: bytes) -> Path:
        self.written += 1
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1e9 + 600 * self.written,) * 2)
        return path


@pytest.fixture
def outbox(tmp_path: Path) -> FolderPartner:
    return FolderPartner(tmp_path)


class TestFolder(ConnectorContract):
    @pytest.fixture(name="system")
    def _system(self, outbox: FolderPartner, monkeypatch: pytest.MonkeyPatch) -> FolderPartner:
        monkeypatch.setattr(files, "_CHECKPOINT_FILES", 2)
        return outbox


def test_files_come_oldest_first_with_their_time(outbox: FolderPartner) -> None:
    for name in ("b.xml", "a.xml", "c.xml"):
        outbox.write(name, b"<x/>")
    documents, _ = pull(outbox.connect())
    assert [document.name for document in documents] == ["b.xml", "a.xml", "c.xml"]
    assert [document.modified.timestamp() - 1e9 for document in documents] == [600, 1200, 1800]


@pytest.mark.parametrize("name", ["a.xml.part", "a.xml.tmp", ".a.xml", "~a.xml", "a.XML.FILEPART"])
def test_temporary_names_are_left_alone(outbox: FolderPartner, name: str) -> None:
    outbox.write(name, b"<record-1/>")
    assert pull(outbox.connect("*"))[0] == []


def test_a_file_still_being_written_waits_for_its_end(outbox: FolderPartner) -> None:
    outbox.add("record-1")
    stop = threading.Event()

    def grow() -> None:
        with (outbox.folder / "growing.xml").open("ab") as file:
            while not stop.is_set():
                file.write(b"<record-2>")
                file.flush()
                time.sleep(0.002)

    writer = threading.Thread(target=grow)
    writer.start()
    time.sleep(0.05)
    try:
        documents, cursor = pull(outbox.connect())
        assert found(documents) == ["record-1"]
    finally:
        stop.set()
        writer.join()
    assert found(pull(outbox.connect(), cursor)[0]) == ["record-2"]


def test_a_file_that_changes_between_look_and_read_waits(
    outbox: FolderPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = outbox.write("a.xml", b"<record-1/>")
    read = files._document

    def write_then_read(partner: str, feed: str, entry: object, *rest: object) -> object:
        path.write_bytes(b"<record-1/><record-2/>")
        return read(partner, feed, entry, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_document", write_then_read)
        documents, cursor = pull(outbox.connect())
    assert documents == []
    assert found(pull(outbox.connect(), cursor)[0]) == markers(2)


def test_a_replaced_file_comes_again_and_a_removed_one_is_forgotten(outbox: FolderPartner) -> None:
    outbox.write("a.xml", b"<record-1/>")
    gone = outbox.write("b.xml", b"<record-2/>")
    _, cursor = pull(outbox.connect())
    outbox.write("a.xml", b"<record-3/>")
    gone.unlink()
    documents, cursor = pull(outbox.connect(), cursor)
    assert found(documents) == ["record-3"]
    assert list(cursor["files"]["records"]) == ["a.xml"]


def test_of_a_snapshot_only_the_newest_counts(outbox: FolderPartner) -> None:
    outbox.add(*markers(3))
    documents, cursor = pull(outbox.connect(snapshot=True))
    assert found(documents) == ["record-3"]
    assert pull(outbox.connect(snapshot=True), cursor)[0] == []
    outbox.add("record-4")
    assert found(pull(outbox.connect(snapshot=True), cursor)[0]) == ["record-4"]


PACKERS = [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]


@pytest.mark.parametrize("ending, pack", PACKERS)
def test_compressed_files_are_unpacked(outbox: FolderPartner, ending: str, pack: object) -> None:
    outbox.write(f"a.xml{ending}", pack(b"<record-1/>"))
    assert [document.payload for document in pull(outbox.connect("*"))[0]] == [b"<record-1/>"]


@pytest.mark.parametrize("ending, pack", PACKERS)
def test_a_truncated_compressed_file_comes_as_it_is_to_be_quarantined(
    outbox: FolderPartner, ending: str, pack: object
) -> None:
    cut = pack(b"<record-1/>" * 50)[:-9]
    outbox.write(f"a.xml{ending}", cut)
    outbox.write("b.xml", b"<record-2/>")
    assert [document.payload for document in pull(outbox.connect("*"))[0]] == [cut, b"<record-2/>"]


def test_a_file_that_unpacks_beyond_the_limit_stays_packed(outbox: FolderPartner) -> None:
    packed = gzip.compress(bytes(3 << 20))
    outbox.write("a.gz", packed)
    documents, _ = pull(outbox.connect("*", largest_file_mb=1))
    assert [document.payload for document in documents] == [packed]


def test_a_file_beyond_the_limit_needs_a_person(outbox: FolderPartner) -> None:
    outbox.write("Roe.xml", bytes(2 << 20))
    with pytest.raises(PartnerRefused, match="1 MB") as caught:
        pull(outbox.connect(largest_file_mb=1))
    assert "Roe" not in str(caught.value)


def test_folders_below_are_reached_by_the_glob(outbox: FolderPartner) -> None:
    outbox.write("2026/11/a.xml", b"<record-1/>")
    outbox.write("b.xml", b"<record-2/>")
    assert found(pull(outbox.connect("*/*/*.xml"))[0]) == ["record-1"]
    assert found(pull(outbox.connect("**/*.xml"))[0]) == markers(2)


def test_a_folder_that_is_not_there_needs_a_person(tmp_path: Path) -> None:
    with pytest.raises(PartnerRefused, match="does not exist"):
        pull(FolderPartner(tmp_path / "nothing").connect())


def test_a_file_comes_with_those_it_joins_and_again_when_one_of_them_changes(outbox: FolderPartner) -> None:
    join = {"join": [{"file": "Project.csv", "by": "p", "take": ["kind"]}]}
    made = partner("folder", {"path": "${OUTBOX}", "settle_seconds": 0}, "*/Stay.csv", format="delimited")
    feed = made.feeds["records"].model_copy(update={"options": join})
    connector = opened(made.model_copy(update={"feeds": {"records": feed}}), OUTBOX=str(outbox.folder))
    outbox.write("day1/Stay.csv", b"p\n1\n")
    (alone,), cursor = pull(connector)
    outbox.write("day1/Project.csv", b"p,kind\n1,night\n")
    (whole,), cursor = pull(connector, cursor)
    assert (alone.beside, whole.beside) == ({}, {"Project.csv": b"p,kind\n1,night\n"})
    assert pull(connector, cursor)[0] == []
    outbox.write("day1/Project.csv", b"p,kind\n1,day\n")
    assert pull(connector, cursor)[0][0].beside == {"Project.csv": b"p,kind\n1,day\n"}

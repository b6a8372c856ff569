"""SFTP keeps the contract and talks to the pinned server alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from contract import RemoteContract, found, markers, pull
from partners import opened, partner
from sftp_partner import CLIENT_KEY, PASSWORD, SftpPartner
from test_folder import FolderPartner

from exchange.connectors import Connector, files
from exchange.model.errors import ContentError, PartnerRefused


class DropPartner(FolderPartner):
    """The folder of an SFTP server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "out")
        self.folder.mkdir()
        self.server = SftpPartner(folder)

    def options(self) -> dict[str, object]:
        return {
            "host": "127.0.0.1",
            "port": "${PORT}",
            "username": "mosaic",
            "password": PASSWORD,
            "host_key": self.server.public_host_key,
            "path": "/out",
            "settle_seconds": 0.01,
            "timeout_seconds": 10,
        }

    def connect(self, match: str = "*.xml", **more: object) -> Connector:
        options = {name: value for name, value in {**self.options(), **more}.items() if value is not None}
        return opened(partner("sftp", options, match), PORT=str(self.server.port))

    def break_next(self, times: int) -> None:
        self.server.breaks = times

    def refuse(self) -> None:
        self.server.password = "another"

    def stop(self) -> None:
        self.server.stop()


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[DropPartner]:
    system = DropPartner(tmp_path)
    yield system
    system.stop()


class TestSftp(RemoteContract):
    @pytest.fixture(name="system")
    def _system(self, drop: DropPartner, monkeypatch: pytest.MonkeyPatch) -> DropPartner:
        monkeypatch.setattr(files, "_CHECKPOINT_FILES", 3)
        return drop

    @pytest.fixture(name="remote")
    def _remote(self, system: DropPartner) -> DropPartner:
        return system


def test_our_key_opens_as_well_as_the_password(drop: DropPartner, tmp_path: Path) -> None:
    drop.add("record-1")
    key = tmp_path / "key"
    key.write_bytes(CLIENT_KEY.export_private_key())
    assert found(pull(drop.connect(password=None, key=str(key)))[0]) == ["record-1"]
    assert found(pull(drop.connect(password=None, key=key.read_text()))[0]) == ["record-1"]


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_server_with_another_key_is_not_talked_to(drop: DropPartner, kind: str) -> None:
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    with pytest.raises(PartnerRefused, match="host key"):
        pull(drop.connect(host_key=other))


@pytest.mark.parametrize("host_key", ["", "ssh-ed25519", "ssh-ed25519 !!!", "nonsense AAAA"])
def test_what_is_no_host_key_is_said_before_connecting(drop: DropPartner, host_key: str) -> None:
    with pytest.raises(ContentError, match="host_key"):
        drop.connect(host_key=host_key)


def test_what_is_no_private_key_is_said_without_quoting_it(drop: DropPartner) -> None:
    pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----"
    with pytest.raises(ContentError, match="key") as caught:
        drop.connect(password=None, key=pem)
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_needs_a_person(drop: DropPartner) -> None:
    with pytest.raises(PartnerRefused, match="does not exist"):
        pull(drop.connect(path="/nowhere"))


def test_globs_reach_below_and_temporary_names_are_left_alone(drop: DropPartner) -> None:
    drop.write("2026/11/a.xml", b"<record-1/>")
    drop.write("b.xml", b"<record-2/>")
    drop.write("c.xml.part", b"<record-3/>")
    assert found(pull(drop.connect("*/*/*.xml"))[0]) == ["record-1"]
    assert found(pull(drop.connect("**/*"))[0]) == markers(2)


def test_a_large_file_comes_whole(drop: DropPartner) -> None:
    content = b"<record-1/>" * 200_000
    drop.write("a.xml", content)
    (document,), _ = pull(drop.connect())
    assert document.payload == content

"""Pulling from the listener's journal keeps the contract, torn tails included."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract import ConnectorContract, found, markers, pull
from partners import RING, opened, partner
from sender import message

from exchange.connectors import Connector, mllp
from exchange.connectors.journal import JournalWriter
from exchange.connectors.mllp import spool_folder
from exchange.model.errors import ContentError
from exchange.model.partner import Partner


class ListenerPartner:
    """A hospital whose messages our listener has acknowledged, a few to a commit."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.folder = spool_folder(spool, "maple")

    def connect(self) -> Connector:
        return opened(partner("mllp", {"port": 0}), self.spool)

    def add(self, *names: str) -> None:
        with JournalWriter(self.folder, RING) as journal:
            for at in range(0, len(names), 3):
                journal.append([message(name) for name in names[at : at + 3]])


@pytest.fixture
def hospital(tmp_path: Path) -> ListenerPartner:
    return ListenerPartner(tmp_path)


class TestMllp(ConnectorContract):
    @pytest.fixture(name="system")
    def _system(self, hospital: ListenerPartner, monkeypatch: pytest.MonkeyPatch) -> ListenerPartner:
        monkeypatch.setattr(mllp, "_CHECKPOINT_MESSAGES", 2)
        return hospital


def test_what_a_crash_tore_is_left_out_and_what_comes_after_is_not(hospital: ListenerPartner) -> None:
    hospital.add(*markers(4))
    segment = sorted(hospital.folder.glob("*.journal"))[-1]
    segment.write_bytes(segment.read_bytes()[:-3])
    documents, cursor = pull(hospital.connect())
    assert found(documents) == markers(3)
    hospital.add(*markers(2, first=4))
    assert found(pull(hospital.connect(), cursor)[0]) == markers(2, first=4)


def test_names_tell_the_place_and_nothing_else(hospital: ListenerPartner) -> None:
    hospital.add("record-1")
    (document,), _ = pull(hospital.connect())
    assert document.name.replace(":", "").isdigit()


def test_a_listener_serves_exactly_one_feed() -> None:
    data = partner("mllp", {"port": 0}).model_dump()
    data["feeds"]["other"] = data["feeds"]["records"]
    with pytest.raises(ContentError, match="one feed"):
        opened(Partner.model_validate(data))

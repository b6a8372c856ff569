"""What every connector promises, as tests: a connector's test class inherits them and gives a `system`.

A system is a partner's real system on this machine under the test's control. Its records carry markers
(``record-1``) and the name Roe, which must never leave the documents' payloads.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from typing import Protocol

import pytest

from exchange.connectors import Connector, http
from exchange.model.errors import ExchangeError, PartnerRefused, PartnerUnavailable
from exchange.model.records import Checkpoint, Document

MARKER = re.compile(rb"record-\d+")
PATIENT = "Roe"
Cursor = dict[str, object] | None


class System(Protocol):
    """A partner's system that does as the test says."""

    def connect(self) -> Connector: ...

    def add(self, *markers: str) -> None: ...


def markers(count: int, first: int = 1) -> list[str]:
    return [f"record-{number}" for number in range(first, first + count)]


def found(documents: list[Document]) -> list[str]:
    return sorted({m.decode() for document in documents for m in MARKER.findall(document.payload)})


def pull(connector: Connector, cursor: Cursor = None) -> tuple[list[Document], Cursor]:
    """All documents of one pull that goes well, and the cursor it leaves."""
    documents = []
    for item in connector(cursor):
        if isinstance(item, Checkpoint):
            cursor = item.cursor
        else:
            documents.append(item)
    return documents, cursor


def pull_until_it_works(connector: Connector, tries: int = 6) -> tuple[list[Document], int]:
    """As a scheduler would: what was committed stays, the rest is tried again; (documents, failures)."""
    committed: list[Document] = []
    cursor: Cursor = None
    for failures in range(tries):
        waiting: list[Document] = []
        try:
            for item in connector(cursor):
                if isinstance(item, Checkpoint):
                    committed, waiting, cursor = [*committed, *waiting], [], item.cursor
                else:
                    waiting.append(item)
        except PartnerUnavailable as failure:
            assert_no_patient(failure)
            continue
        assert not waiting, "a pull ends with a checkpoint after its last document"
        return committed, failures
    raise AssertionError("the partner never became available")


def assert_no_patient(failure: BaseException) -> None:
    assert PATIENT not in "".join(traceback.format_exception(failure))


class ConnectorContract:
    """For every connector."""

    @pytest.fixture(autouse=True)
    def no_patient_in_the_log(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        caplog.set_level("DEBUG")
        yield
        ours = (record for record in caplog.get_records("call") if not record.name.startswith("asyncssh"))
        assert PATIENT not in "".join(record.getMessage() for record in ours)

    def test_everything_comes_and_then_nothing_new(self, system: System) -> None:
        system.add(*markers(7))
        documents, cursor = pull(system.connect())
        assert found(documents) == markers(7)
        assert pull(system.connect(), cursor)[0] == []

    def test_an_empty_system_gives_nothing(self, system: System) -> None:
        documents, cursor = pull(system.connect())
        assert documents == []
        system.add("record-1")
        assert found(pull(system.connect(), cursor)[0]) == ["record-1"]

    def test_what_is_new_comes_next_time(self, system: System) -> None:
        system.add(*markers(5))
        _, cursor = pull(system.connect())
        system.add(*markers(2, first=6))
        documents, cursor = pull(system.connect(), cursor)
        assert set(markers(2, first=6)) <= set(found(documents))
        assert pull(system.connect(), cursor)[0] == []

    def test_from_each_checkpoint_the_rest_comes(self, system: System) -> None:
        system.add(*markers(9))
        before: list[Document] = []
        for item in list(system.connect()(None)):
            if isinstance(item, Document):
                before.append(item)
                continue
            rest, cursor = pull(system.connect(), item.cursor)
            assert found(before + rest) == markers(9)
            assert pull(system.connect(), cursor)[0] == []

    def test_killed_after_any_item_nothing_is_lost(self, system: System) -> None:
        system.add(*markers(9))
        committed: list[Document] = []
        cursor: Cursor = None
        for survived in range(1, 60):
            waiting: list[Document] = []
            connector = system.connect()(cursor)
            for number, item in enumerate(connector):
                if isinstance(item, Checkpoint):
                    committed, waiting, cursor = [*committed, *waiting], [], item.cursor
                else:
                    waiting.append(item)
                if number == survived:
                    break
            else:
                break
            connector.close()
        assert found(committed) == markers(9)

    def test_cursors_survive_json(self, system: System) -> None:
        system.add(*markers(5))
        for item in system.connect()(None):
            if isinstance(item, Checkpoint):
                assert json.loads(json.dumps(item.cursor)) == item.cursor

    def test_the_same_record_twice_does_no_harm(self, system: System) -> None:
        system.add("record-1", "record-1", "record-2")
        assert found(pull(system.connect())[0]) == markers(2)


class RemoteSystem(System, Protocol):
    """A system at the other end of a connection."""

    def break_next(self, times: int) -> None:
        """The next transfers of data stop half way."""

    def refuse(self) -> None:
        """Our credentials are no longer taken."""

    def stop(self) -> None:
        """Nobody answers any more."""


class RemoteContract(ConnectorContract):
    """For connectors that talk to another machine."""

    def test_a_transfer_that_breaks_off_once_loses_nothing(self, remote: RemoteSystem) -> None:
        remote.add(*markers(9))
        remote.break_next(1)
        assert found(pull_until_it_works(remote.connect())[0]) == markers(9)

    def test_a_transfer_that_keeps_breaking_off_is_unavailable_until_it_heals(
        self, remote: RemoteSystem
    ) -> None:
        remote.add(*markers(9))
        remote.break_next(7)
        documents, failures = pull_until_it_works(remote.connect(), tries=10)
        assert found(documents) == markers(9)
        assert failures >= 1

    def test_wrong_credentials_need_a_person(self, remote: RemoteSystem) -> None:
        remote.add(*markers(2))
        remote.refuse()
        with pytest.raises(PartnerRefused) as caught:
            pull(remote.connect())
        assert_no_patient(caught.value)

    def test_nobody_there_is_unavailable(self, remote: RemoteSystem) -> None:
        connector = remote.connect()
        remote.stop()
        with pytest.raises(PartnerUnavailable):
            pull(connector)


class HttpSystem(RemoteSystem, Protocol):
    """A system that speaks HTTP."""

    waits: list[float]

    def be_busy(self, status: int, retry_after: str, times: int) -> None: ...

    def cut_next(self, times: int) -> None:
        """The next answers are cut short, and say so nowhere."""


class HttpContract(RemoteContract):
    """For connectors over HTTP."""

    @pytest.fixture(name="http_system")
    def _http(self, remote: HttpSystem) -> HttpSystem:
        return remote

    @pytest.fixture(autouse=True)
    def _short_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "_FIRST_WAIT_SECONDS", 0.02)

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_busy_server_is_given_the_time_it_asks_for(self, http_system: HttpSystem, status: int) -> None:
        http_system.add(*markers(3))
        http_system.be_busy(status, "1", times=1)
        assert found(pull(http_system.connect())[0]) == markers(3)
        assert max(http_system.waits) >= 1.0

    def test_a_server_busy_for_long_is_left_for_later(self, http_system: HttpSystem) -> None:
        http_system.add(*markers(3))
        http_system.be_busy(503, "3600", times=1)
        with pytest.raises(PartnerUnavailable) as caught:
            pull(http_system.connect())
        assert caught.value.retry_after == 3600

    def test_an_answer_cut_short_is_not_taken_for_the_whole(self, http_system: HttpSystem) -> None:
        http_system.add(*markers(9))
        http_system.cut_next(1)
        assert found(pull_until_it_works(http_system.connect())[0]) == markers(9)

    @pytest.mark.parametrize("status", [302, 400, 403])
    def test_a_refusal_needs_a_person_and_is_not_repeated(self, http_system: HttpSystem, status: int) -> None:
        http_system.add(*markers(3))
        http_system.be_busy(status, "", times=1)
        with pytest.raises(ExchangeError) as caught:
            pull(http_system.connect())
        assert isinstance(caught.value, PartnerRefused)
        assert str(status) in str(caught.value)

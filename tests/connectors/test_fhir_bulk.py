"""Bulk export keeps the contract, resumes in the middle of a file and starts anew what the server lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from contract import HttpContract, found, markers, pull, pull_until_it_works
from http_partner import Asked, HttpPartner, Reply
from partners import opened, partner

from exchange.connectors import Connector
from exchange.model.errors import PartnerRefused, PartnerUnavailable
from exchange.model.records import Checkpoint

Row = tuple[str, str]


class BulkPartner(HttpPartner):
    """Exports Patients in files of five, and what was deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.deleted: list[Row] = []
        self.jobs: dict[str, dict[str, list[bytes]]] = {}
        self.polled: set[str] = set()
        self.slow = False
        self.ranges = True
        self.promise = 0
        self.files_at = self.base
        self.finished: list[str] = []

    def connect(self, match: str = "Patient") -> Connector:
        return opened(partner("fhir_bulk", self.options(slice_lines=2), match))

    def add(self, *names: str) -> None:
        for name in names:
            self.now += timedelta(seconds=1)
            self.rows.append((self.now.isoformat(), name))

    def delete(self, name: str) -> None:
        self.now += timedelta(seconds=1)
        self.deleted.append((self.now.isoformat(), name))

    def reply(self, asked: Asked) -> Reply:
        if asked.path.endswith("/$export"):
            return self._kick_off(asked)
        _, _, kind, job, *rest = asked.path.split("/")
        if job not in self.jobs:
            return Reply(404)
        if asked.method == "DELETE":
            self.finished.append(job)
            del self.jobs[job]
            return Reply(202)
        return self._status(job) if kind == "jobs" else self._file(self.jobs[job][rest[0]], asked)

    def _kick_off(self, asked: Asked) -> Reply:
        assert asked.headers["Prefer"] == "respond-async"
        since = asked.query.get("_since", "")
        lines = [json.dumps({"resourceType": "Patient", "id": name, "family": "Roe"}).encode() + b"\n"
                 for when, name in self.rows if when > since]  # fmt: skip
        gone = [json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [
                {"request": {"method": "DELETE", "url": f"Patient/{name}"}}]}).encode() + b"\n"
                for when, name in self.deleted if when > since]  # fmt: skip
        files = {f"output-{at}": lines[at : at + 5] for at in range(0, len(lines), 5)}
        job = f"{len(self.jobs) + len(self.finished)}-Roe"
        self.jobs[job] = {
            **files,
            "time": [self.now.isoformat().encode()],
            **({"deleted": gone} if gone else {}),
        }
        return Reply(202, headers={"Content-Location": f"{self.base}/fhir/jobs/{job}"})

    def _status(self, job: str) -> Reply:
        if self.slow or job not in self.polled:
            self.polled.add(job)
            return Reply(202, headers={"Retry-After": "0", "X-Progress": "Roe"})
        listed: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": []}
        for name, lines in self.jobs[job].items():
            url = f"{self.files_at}/fhir/files/{job}/{name}"
            if name != "time":
                file = {"type": "Patient", "url": url, "count": len(lines) + self.promise}
                listed[name.split("-")[0]].append(file)
        moment = self.jobs[job]["time"][0].decode()
        return Reply.json({"transactionTime": moment, "requiresAccessToken": True, "error": [], **listed})

    def _file(self, lines: list[bytes], asked: Asked) -> Reply:
        body = b"".join(lines)
        start = int(asked.headers.get("Range", "bytes=0-")[6:-1])
        if not start or not self.ranges:
            return Reply(200, body)
        if start >= len(body):
            return Reply(416)
        return Reply(206, body[start:], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})


@pytest.fixture
def program() -> Iterator[BulkPartner]:
    system = BulkPartner()
    yield system
    system.stop()


class TestFhirBulk(HttpContract):
    @pytest.fixture(name="system", params=["ranges", "no ranges"])
    def _system(self, program: BulkPartner, request: pytest.FixtureRequest) -> BulkPartner:
        program.ranges = request.param == "ranges"
        return program

    @pytest.fixture(name="remote")
    def _remote(self, program: BulkPartner) -> BulkPartner:
        return program


def checkpoints(connector: Connector) -> list[dict[str, Any]]:
    return [item.cursor for item in connector(None) if isinstance(item, Checkpoint)]


def test_deleted_records_come_as_deletions(program: BulkPartner) -> None:
    program.add("record-1")
    _, cursor = pull(program.connect())
    program.delete("record-1")
    (document,), _ = pull(program.connect(), cursor)
    assert document.deleted
    assert found([document]) == ["record-1"]


def test_since_is_the_servers_transaction_time(program: BulkPartner) -> None:
    program.add("record-1")
    moment = program.now.isoformat()
    _, cursor = pull(program.connect())
    assert cursor == {"since": moment}
    pull(program.connect(), cursor)
    assert [a.query["_since"] for a in program.asked if "_since" in a.query] == [moment]


def test_resuming_asks_for_the_rest_of_the_file_only(program: BulkPartner) -> None:
    program.add(*markers(5))
    middle = next(c for c in checkpoints(program.connect()) if c.get("export", {}).get("lines") == 2)
    program.jobs["0-Roe"] = {"output-0": [b"x" * middle["export"]["offset"], b'{"id": "record-9"}\n']}
    middle["export"]["files"][0]["count"] = None
    documents, _ = pull(program.connect(), middle)
    assert documents[0].payload == b'{"id": "record-9"}\n'


def test_slices_say_which_lines_they_hold(program: BulkPartner) -> None:
    program.add(*markers(5))
    names = [document.name for document in pull(program.connect())[0]]
    assert names == [f"Patient file 1 lines {lines}" for lines in ("1-2", "3-4", "5-5")]


def test_an_export_the_server_lost_is_begun_anew(program: BulkPartner) -> None:
    program.add(*markers(7))
    for cursor in checkpoints(program.connect())[:-1]:
        program.jobs.clear()
        assert found(pull(program.connect(), cursor)[0]) == markers(7)


def test_a_file_shorter_than_promised_is_never_taken_for_the_whole(program: BulkPartner) -> None:
    program.add(*markers(5))
    program.promise = 1
    with pytest.raises(PartnerUnavailable, match="lost"):
        pull(program.connect())
    program.promise = 0
    assert found(pull_until_it_works(program.connect())[0]) == markers(5)


def test_the_export_is_given_back_when_it_has_been_read(program: BulkPartner) -> None:
    program.add("record-1")
    pull(program.connect())
    assert program.finished == ["0-Roe"]


def test_files_elsewhere_are_read_only_where_the_partner_says_so(program: BulkPartner) -> None:
    program.add("record-1")
    program.files_at = program.base.replace("127.0.0.1", "localhost")
    with pytest.raises(PartnerRefused, match="outside"):
        pull(program.connect())
    options = program.options(file_hosts=[f"{program.files_at}/fhir/files"])
    assert found(pull(opened(partner("fhir_bulk", options, "Patient")))[0]) == ["record-1"]


def test_all_types_are_asked_for_by_a_star(program: BulkPartner) -> None:
    program.add("record-1")
    assert found(pull(program.connect("*"))[0]) == ["record-1"]
    assert "_type" not in program.asked[0].query


def test_an_export_that_takes_too_long_is_waited_for_next_time(program: BulkPartner) -> None:
    program.add("record-1")
    options = program.options(longest_export_minutes=0.001)
    items = opened(partner("fhir_bulk", options, "Patient"))(None)
    program.slow = True
    checkpoint = next(items)
    with pytest.raises(PartnerUnavailable, match="goes on waiting"):
        next(items)
    program.slow = False
    assert found(pull(program.connect(), checkpoint.cursor)[0]) == ["record-1"]
    assert sum(a.path.endswith("$export") for a in program.asked) == 1

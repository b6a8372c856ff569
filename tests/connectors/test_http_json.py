"""Paged JSON keeps the contract and hands on only pages that differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contract import HttpContract, found, markers, pull
from http_partner import Asked, HttpPartner, Reply
from partners import opened, partner

from exchange.connectors import Connector


class DirectoryPartner(HttpPartner):
    """A directory of services, three to a page, with a static token."""

    def __init__(self) -> None:
        super().__init__()
        self.services: list[dict[str, Any]] = []
        self.tokens = {"static"}
        self.totals = True

    def connect(self, match: str = "services") -> Connector:
        options = {**self.options(page_size=3), "token": None, "bearer": "${TOKEN}"}
        return opened(partner("http_json", options, match), TOKEN="static")

    def refuse(self) -> None:
        self.tokens = set()

    def add(self, *names: str) -> None:
        self.services += [{"id": name, "name": "Roe"} for name in names]

    def reply(self, asked: Asked) -> Reply:
        assert asked.path in ("/fhir/services", "/fhir/locations")
        page, size = int(asked.query["page"]), int(asked.query["per_page"])
        contents = self.services[(page - 1) * size : page * size]
        total = {"total_pages": -(-len(self.services) // size)} if self.totals else {}
        return Reply.json({"page_number": page, "contents": contents, **total})


@pytest.fixture
def directory() -> Iterator[DirectoryPartner]:
    system = DirectoryPartner()
    yield system
    system.stop()


class TestHttpJson(HttpContract):
    @pytest.fixture(name="system", params=["totals", "no totals"])
    def _system(self, directory: DirectoryPartner, request: pytest.FixtureRequest) -> DirectoryPartner:
        directory.totals = request.param == "totals"
        return directory

    @pytest.fixture(name="remote")
    def _remote(self, directory: DirectoryPartner) -> DirectoryPartner:
        return directory


def test_only_the_page_that_changed_comes_again(directory: DirectoryPartner) -> None:
    directory.add(*markers(7))
    _, cursor = pull(directory.connect())
    directory.services[4]["name"] = "Another"
    documents, _ = pull(directory.connect(), cursor)
    assert [document.name for document in documents] == ["services page 2"]


def test_each_list_named_by_the_feed_is_read(directory: DirectoryPartner) -> None:
    directory.add("record-1")
    documents, _ = pull(directory.connect("services, locations"))
    assert [document.name for document in documents] == ["services page 1", "locations page 1"]


def test_a_list_that_becomes_shorter_is_read_to_its_new_end(directory: DirectoryPartner) -> None:
    directory.add(*markers(7))
    _, cursor = pull(directory.connect())
    del directory.services[2:]
    documents, cursor = pull(directory.connect(), cursor)
    assert found(documents) == markers(2)
    assert pull(directory.connect(), cursor)[0] == []

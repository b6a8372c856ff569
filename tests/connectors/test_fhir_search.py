"""FHIR search keeps the contract, and to its own rules about time, pages and links."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from contract import HttpContract, found, markers, pull
from http_partner import Asked, HttpPartner, Reply
from partners import opened, partner

from exchange.connectors import Connector
from exchange.model.errors import ContentError, PartnerRefused, PartnerUnavailable


class SearchPartner(HttpPartner):
    """Patients of a clinic; its page links carry a patient's name, as some servers' do."""

    def __init__(self) -> None:
        super().__init__()
        self.patients: list[dict[str, Any]] = []
        self.pages: dict[str, list[dict[str, Any]]] = {}
        self.page_size = 2
        self.forgets = False
        self.next_base = f"{self.base}/fhir"

    def connect(self, match: str = "Patient") -> Connector:
        return opened(partner("fhir_search", self.options(page_size=self.page_size), match))

    def add(self, *names: str) -> None:
        for name in names:
            self.now += timedelta(seconds=1)
            meta = {"versionId": "1", "lastUpdated": self.now.isoformat()}
            patient = {"resourceType": "Patient", "id": name, "meta": meta, "name": [{"family": "Roe"}]}
            self.patients.append(patient)

    def reply(self, asked: Asked) -> Reply:
        if "_getpages" in asked.query:
            if asked.query["_getpages"] not in self.pages:
                return Reply(410)
            return self._page(self.pages[asked.query["_getpages"]])
        assert asked.path.startswith("/fhir/")
        since = asked.query.get("_lastUpdated", "ge0001-01-01T00:00:00Z").removeprefix("ge")
        moment = datetime.fromisoformat(since)
        hits = [p for p in self.patients if datetime.fromisoformat(p["meta"]["lastUpdated"]) >= moment]
        return self._page([p for p in hits if p["resourceType"] == asked.path.rsplit("/", 1)[1]])

    def _page(self, rest: list[dict[str, Any]]) -> Reply:
        entries = [{"resource": patient, "search": {"mode": "match"}} for patient in rest[: self.page_size]]
        links = []
        if len(rest) > self.page_size:
            name = f"{uuid4().hex}-Roe"
            if not self.forgets:
                self.pages[name] = rest[self.page_size :]
            links = [{"relation": "next", "url": f"{self.next_base}?_getpages={name}"}]
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
        return Reply.json(bundle)


@pytest.fixture
def clinic() -> Iterator[SearchPartner]:
    system = SearchPartner()
    yield system
    system.stop()


class TestFhirSearch(HttpContract):
    @pytest.fixture(name="system")
    def _system(self, clinic: SearchPartner) -> SearchPartner:
        return clinic

    @pytest.fixture(name="remote")
    def _remote(self, clinic: SearchPartner) -> SearchPartner:
        return clinic


def test_since_is_the_servers_clock_less_the_overlap(clinic: SearchPartner) -> None:
    clinic.add("record-1")
    started = clinic.now
    _, cursor = pull(clinic.connect())
    clinic.now += timedelta(hours=5)
    pull(clinic.connect(), cursor)
    expected = (started - timedelta(seconds=60)).strftime("ge%Y-%m-%dT%H:%M:%SZ")
    assert clinic.asked[-1].query["_lastUpdated"] == expected


def test_a_record_the_server_committed_late_is_still_found(clinic: SearchPartner) -> None:
    clinic.add("record-1")
    _, cursor = pull(clinic.connect())
    clinic.add("record-2")
    clinic.patients[-1]["meta"]["lastUpdated"] = (clinic.now - timedelta(seconds=30)).isoformat()
    assert "record-2" in found(pull(clinic.connect(), cursor)[0])


def test_a_new_version_within_the_overlap_is_sent_again(clinic: SearchPartner) -> None:
    clinic.add("record-1")
    _, cursor = pull(clinic.connect())
    clinic.patients[0]["meta"]["versionId"] = "2"
    assert found(pull(clinic.connect(), cursor)[0]) == ["record-1"]


def test_a_page_the_server_has_forgotten_is_searched_for_anew(clinic: SearchPartner) -> None:
    clinic.add(*markers(5))
    checkpoint = next(item for item in clinic.connect()(None) if hasattr(item, "cursor"))
    clinic.pages.clear()
    assert found(pull(clinic.connect(), checkpoint.cursor)[0]) == markers(5)


def test_a_server_that_always_forgets_its_pages_is_unavailable(clinic: SearchPartner) -> None:
    clinic.add(*markers(5))
    clinic.forgets = True
    with pytest.raises(PartnerUnavailable, match="loses"):
        pull(clinic.connect())


@pytest.mark.parametrize(
    "elsewhere",
    ["http://127.0.0.1:1/fhir", "http://evil.example/fhir", "{base}/admin", "{base}/fhir/../admin"],
)
def test_a_link_that_leads_elsewhere_is_not_followed(clinic: SearchPartner, elsewhere: str) -> None:
    clinic.add(*markers(5))
    clinic.next_base = elsewhere.format(base=clinic.base)
    with pytest.raises(PartnerRefused, match="outside `url`") as caught:
        pull(clinic.connect())
    assert "Roe" not in str(caught.value)


def test_pages_in_a_circle_come_to_an_end(clinic: SearchPartner, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.add(*markers(5))
    monkeypatch.setattr(clinic, "_page", lambda rest: Reply.json(CIRCLE))
    with pytest.raises(PartnerRefused, match="circle"):
        pull(clinic.connect())


CIRCLE = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "Patient?page=1"}], "entry": []}


def test_an_expired_token_is_renewed_once(clinic: SearchPartner) -> None:
    clinic.add(*markers(5))
    connector = clinic.connect()(None)
    first = next(connector)
    clinic.tokens.clear()
    rest = [item for item in connector if hasattr(item, "payload")]
    assert found([first, *rest]) == markers(5)


def test_a_search_that_is_not_there_needs_a_person(clinic: SearchPartner) -> None:
    clinic.add("record-1")
    clinic.be_busy(404, "", times=1)
    with pytest.raises(PartnerRefused, match="check `url`"):
        pull(clinic.connect())


def test_each_type_goes_to_the_feed_that_names_it(clinic: SearchPartner) -> None:
    clinic.add("record-1", "record-2")
    clinic.patients[1]["resourceType"] = "Encounter"
    documents, _ = pull(clinic.connect("Patient, Encounter"))
    assert [document.name for document in documents] == ["Patient page 1", "Encounter page 1"]


def test_an_answer_beyond_the_agreed_size_is_not_read(clinic: SearchPartner) -> None:
    clinic.add("record-1")
    clinic.patients[0]["note"] = "x" * (3 << 20)
    options = clinic.options(largest_answer_mb=1)
    with pytest.raises(PartnerRefused, match="1 MB"):
        pull(opened(partner("fhir_search", options, "Patient")))


@pytest.mark.parametrize("match", ["*", "patients", "Patient,Patient"])
def test_feeds_must_name_resource_types(clinic: SearchPartner, match: str) -> None:
    with pytest.raises(ContentError, match=r"feeds\.records\.match"):
        clinic.connect(match)

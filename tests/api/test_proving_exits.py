"""Every exit is asked about, and a leak planted at any of them shows: one request each, before and after."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from random import Random

import psycopg
import pytest

from exchange.app.prove.asking import ASYNCHRONOUS, Material, Request
from exchange.app.prove.comparing import Answer
from exchange.app.prove.drawing import random_request
from exchange.cli.prove import side
from exchange.cli.prove.rehearsal import Rehearsal
from exchange.cli.prove.twin import twin
from exchange.model.errors import PartnerUnavailable
from exchange.model.ids import resource_id
from exchange.model.records import Viewer
from exchange.repository import BadSearch

CLINIC = Viewer("prairie_clinic", "physician", "TREAT")
EXPORT = (ASYNCHRONOUS,)
SOME = {"_type": "Observation,Patient"}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def ids(records):
    """The clinic sees every other result of a person, nothing of a stranger, and that one result is gone."""
    person = records.patient("lakeside_hospital", "p1", name=[{"family": "Kowalska"}], birthDate="1980-02-03")
    stranger = records.patient("lakeside_hospital", "p2", name=[{"family": "Nowak"}], birthDate="1970-01-01")
    records.publish_patient("lakeside_hospital", stranger, "HIV")
    found = {"person": person, "stranger": stranger}
    for k, kind in enumerate(("seen", "hidden") * 2):
        labels = ("HIV",) if kind == "hidden" else ()
        found[kind] = records.observation("lakeside_hospital", person, f"o{k}", *labels)
    records.delete(f"Observation/{records.observation('lakeside_hospital', person, 'gone')}")
    visit = resource_id("https://lakeside.example/", "Encounter", "1")
    for kind, key, labels, more in (
        ("Encounter", visit, ("HIV",), {"class": {"code": "AMB"}}),
        ("Condition", visit, ("HIV",), {"code": {"text": "hidden"}}),
        ("Procedure", visit, (), {"encounter": {"reference": f"Encounter/{visit}"}}),
    ):
        given = {"id": key, "status": "finished", "subject": {"reference": f"Patient/{person}"}, **more}
        records._publish("lakeside_hospital", {"resourceType": kind, **given}, person, labels)
    return found


@pytest.fixture
def sides(database, service, ids):
    @contextmanager
    def connect():
        with psycopg.connect(database) as conn:
            yield conn

    with twin(connect, service, CLINIC, seed=1) as opened:
        yield opened


def test_the_requests_drawn_go_over_every_exit():
    known = dict.fromkeys(("Patient", "Observation", "Condition", "Encounter", "Group"), ("1", "2"))
    values = {("Patient", "family"): ("Roe",), ("Observation", "code"): ("2345-7",)}
    random = Random(3)
    drawn = [random_request(random, Material(values, known, (NOW,))) for _ in range(8000)]
    paths = {f"{asked.method} {asked.path.replace('/2', '/1')}" for asked in drawn}
    assert paths >= {
        "GET metadata", "GET Patient/1", "HEAD Patient/1", "GET Provenance/1", "GET Patient/1/_history/1",
        "GET Observation/1/_history", "GET Observation/_history", "GET Observation",
        "POST Observation/_search",
        "GET Patient/1/Observation", "POST Patient/1/Observation/_search", "GET Patient/1/*",
        "POST Patient/1/_search", "GET Patient/1/$everything", "GET Patient/1/$summary",
        "POST Patient/$match", "GET Observation/$lastn", "GET DocumentReference/$docref", "GET $export",
        "POST $export",
        "GET Patient/$export", "GET Group/1/$export",
    }  # fmt: skip
    names = {name for asked in drawn for name, _ in asked.parameters}
    assert names >= {
        "_sort", "_count", "_total", "_summary", "_elements", "_include", "_include:iterate", "_revinclude",
        "_revinclude:iterate", "_id", "_lastUpdated", "_type", "_typeFilter", "_since", "patient", "max",
        "start",
        "end", "nothing", "_cursor",
    }  # fmt: skip
    assert any(name.startswith("_has:") for name in names)
    assert any(":" not in name.partition(".")[2] and "." in name for name in names)
    headers = {name for asked in drawn for name, _ in asked.headers}
    assert headers == {"Prefer", "If-None-Match", "If-Modified-Since"}
    assert max(asked.pages for asked in drawn) > 1


def exports(ids):
    some = tuple(SOME.items())
    yield Request("GET", "$export", some, EXPORT)
    yield Request("GET", "$export", (*some, ("_since", "2020-01-01T00:00:00Z")), EXPORT)
    yield Request("POST", "Patient/$export", (*some, ("patient", ids["person"])), EXPORT)
    yield Request("GET", "$export", (*some, ("_typeFilter", "Observation?code=7918-6")), EXPORT)
    yield Request("GET", "$export", (("_typeFilter", "Observation?colour=7918-6"),), EXPORT)
    yield Request("GET", f"Group/{ids['person']}/$export", (), EXPORT)


def test_an_export_of_another_server_is_waited_for_and_never_taken_for_one_without_files(monkeypatch):
    monkeypatch.setattr(side, "_PAUSE", 0)
    answers = [Answer(status, (), b"") for status in (202, 429, 202, 200)]
    assert side.polled(iter(answers).__next__) == answers[-1:]
    with pytest.raises(PartnerUnavailable, match="not done"):
        side.polled(lambda: answers[0])


def test_an_export_is_followed_to_its_last_file_and_leaves_nothing(sides, ids, records):
    assert [sides.compare(asked) for asked in exports(ids)] == [()] * 6
    for table in ("export_job", "export_file", "audit_event", "client"):
        assert records.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


READING, API = "exchange.repository.reading", "exchange.api"
DESCRIBED = {"resourceType": "Patient", "name": [{"family": "Kowalska"}], "birthDate": "1980-02-03"}
MATCH = json.dumps({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": DESCRIBED}]})


def as_owner(honest, whole):
    """Past row-level security."""

    def leaking(view, *rest):
        view.conn.execute("RESET ROLE")
        try:
            return honest(view, *rest)
        finally:
            view.conn.execute("SET LOCAL ROLE exchange_api")

    return leaking


def knowing(change):
    """What comes out is another where the repository holds what the clinic may not see."""
    return lambda honest, whole: (
        lambda *asked, **more: change(honest(*asked, **more)) if whole() else honest(*asked, **more)
    )


headed = knowing(lambda answer: replace(answer, headers={**(answer.headers or {}), "X-Found": "more"}))
longer = knowing(lambda found: replace(found, body=found.body + b" "))


def raising(honest, whole):
    def leaking(*asked):
        if whole():
            raise BadSearch("there are too many")
        return honest(*asked)

    return leaking


LEAKS = [
    (f"{READING}.totals.select", as_owner, "GET", "Observation", {"_total": "accurate"}, "body.total"),
    (f"{API}.interactions.bundle", headed, "GET", "Observation", {}, "header x-found"),
    (f"{READING}.read.Found", knowing(lambda f: replace(f, etag='W/"9"')), "GET", "Patient/{person}", {},
     "header etag"),
    (f"{READING}.search._rows", knowing(lambda rows: rows[::-1]), "GET", "Observation", {"_sort": "_id"},
     "body.entry[0].fullUrl"),
    (f"{READING}.include.referred", as_owner, "GET", "Procedure", {"_include": "Procedure:encounter"},
     "body.entry"),
    (f"{READING}.where._told_of", as_owner, "GET", "Patient",
     {"_has:Observation:patient:_id": "{hidden}"},
     "body.total"),
    (f"{READING}.finding.select", as_owner, "POST", "Observation/_search", {"_id": "{hidden}"},
     "body.total"),
    (f"{READING}.history.versions", as_owner, "GET", "Observation/_history", {}, "body.entry"),
    (f"{API}.interactions.not_found", longer, "GET", "Observation/{hidden}", {},
     "body"),
    (f"{API}.interactions.find_page", raising, "GET", "Observation", {"code": "1"}, "status 400 or 200"),
    (f"{READING}.everything.select", as_owner, "GET", "Patient/{person}/$everything", {}, "body.entry"),
    (f"{READING}.summary._entries", as_owner, "GET", "Patient/{person}/$summary", {}, "body"),
    (f"{READING}.lastn.select", as_owner, "GET", "Observation/$lastn", {"patient": "{person}"}, "body"),
    (f"{READING}.match._candidates", raising, "POST", "Patient/$match", MATCH, "status 400 or 200"),
    (f"{API}.export.kickoff.status", headed, "GET", "$export", SOME, "header x-found"),
    (f"{API}.export.jobs.files_of", knowing(lambda files: files[1:]), "GET", "$export", {},
     "body.output"),
    (f"{API}.export.produce.deleted_slice", knowing(lambda gone: gone[1:]), "GET", "$export",
     SOME | {"_since": "2020-01-01T00:00:00Z"}, "body.deleted"),
]  # fmt: skip
ALIKE = [  # of a kind with one above
    (f"{READING}.totals.select", as_owner, "GET", "Observation", {"_summary": "count"}, "body.total"),
    (f"{READING}.include._referring", as_owner, "GET", "Patient", {"_revinclude": "Observation:patient"},
     "body.entry"),
    (f"{READING}.history.versions_of", as_owner, "GET", "Observation/{hidden}/_history", {},
     "status 200 or 404"),
    (f"{READING}.everything.select", as_owner, "GET", "Patient/{person}/*", {}, "body.entry"),
    (f"{API}.export.kickoff._try_filters", raising, "GET", "$export", SOME, "status 400 or 202"),
    (f"{API}.export.deliver._ended", longer, "GET", "Patient/$export", {}, "body"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "plant", "method", "path", "parameters", "place"),
    [*LEAKS, *(pytest.param(*leak, marks=pytest.mark.slow) for leak in ALIKE)],
)
def test_a_leak_planted_at_an_exit_shows(
    sides, ids, monkeypatch, where, plant, method, path, parameters, place
):
    given = parameters if isinstance(parameters, dict) else {}
    asked = Request(
        method,
        path.format(**ids),
        tuple((name, value.format(**ids)) for name, value in given.items()),
        (ASYNCHRONOUS,) if path.endswith("$export") else (),
        body="" if given == parameters else parameters,
    )
    assert sides.compare(asked) == ()
    module, _, name = where.rpartition(".")
    at = import_module(module)
    monkeypatch.setattr(at, name, plant(getattr(at, name), _whole(monkeypatch)))
    assert any(place in found for found in sides.compare(asked)), sides.compare(asked)


def _whole(monkeypatch):
    """Whether the side that is asked just now holds what is hidden."""
    honest, lent = Rehearsal.connection, []

    @contextmanager
    def connection(rehearsal):
        with honest(rehearsal) as held:
            (rows,) = held.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone()
            lent[:] = [rows > 2]
            yield held

    monkeypatch.setattr(Rehearsal, "connection", connection)
    return lambda: lent[-1]

"""`exchange prove non-interference`: it holds here; a leak planted on purpose is found and made short."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module

import psycopg
import pytest
from typer.testing import CliRunner

from exchange.api.access import issue
from exchange.api.clients import find_client
from exchange.api.messages import Refusal
from exchange.api.scopes import parse_scopes
from exchange.api.serve import Address, serving
from exchange.app.prove.asking import told
from exchange.app.prove.proving import Effort, first_leak
from exchange.cli.main import app
from exchange.cli.prove.twin import twin
from exchange.model.ids import resource_id
from exchange.model.records import Viewer

CLINIC = Viewer("prairie_clinic", "physician", "TREAT")
SEEN, HIDDEN = 11, 5


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def connect(database):
    @contextmanager
    def connection():
        with psycopg.connect(database) as conn:
            yield conn

    return connection


@pytest.fixture
def populated(records):
    """Three people; two of them have records hidden from the clinic among those it sees.

    Of two records of the first a version between two others is hidden; one is then again as it was.
    """
    people = []
    for n in range(3):
        person = records.patient("lakeside_hospital", f"p{n}", name=[{"family": f"Kowalska{n}"}])
        people.append(person)
        for k in range(4):
            labels = ("HIV",) if n and k % 2 else ()
            code = "7918-6" if labels else "2345-7"
            records.observation("lakeside_hospital", person, f"o{n}-{k}", *labels, code=code)
    hidden = {
        "resourceType": "Condition",
        "id": resource_id("https://lakeside.example/", "Condition", "1"),
        "subject": {"reference": f"Patient/{person}"},
        "code": {"text": "hidden"},
    }
    records._publish("lakeside_hospital", hidden, person, ("HIV",))
    for key, code in (("o0-0", "2345-7"), ("o0-1", "4548-4")):
        records.observation("lakeside_hospital", people[0], key, "HIV", code="7918-6")
        records.observation("lakeside_hospital", people[0], key, code=code)
    return records


def prove(connect, service, requests=300):
    with twin(connect, service, CLINIC, seed=1) as sides:
        assert (sides.seen, sides.hidden) == (SEEN, HIDDEN)
        return first_leak(sides.compare, sides.material, Effort(1, requests))


def asked_by_owner(view, statement, arguments=None):
    """What no requester may ask: past row-level security."""
    view.conn.execute("RESET ROLE")
    found = view.conn.execute(statement, arguments).fetchone()[0]
    view.conn.execute("SET LOCAL ROLE exchange_api")
    return found


def test_it_holds_here_and_leaves_nothing_behind(connect, service, populated):
    assert prove(connect, service, 150) is None
    for table, rows in (("client", 0), ("audit_event", 0), ("resource", SEEN + HIDDEN)):
        assert populated.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_a_total_that_counts_what_is_hidden_is_found(connect, service, populated, monkeypatch):
    def leaking(view, query, statement):
        return asked_by_owner(
            view, f"SELECT count(*) FROM resource r WHERE {statement.where}", statement.arguments.values
        )

    monkeypatch.setattr(import_module("exchange.repository.reading.search"), "total_of", leaking)
    leak = prove(connect, service)
    assert (leak.request.method, leak.request.headers) == ("GET", ())
    assert leak.request.path in ("Observation", "Condition")
    assert [name for name, _ in leak.request.parameters] in (["_total"], ["_summary"])
    assert leak.places == ("page 1: body.total",)


def test_a_next_page_that_depends_on_what_is_hidden_is_found(connect, service, populated, monkeypatch):
    search = import_module("exchange.repository.reading.search")
    honest = search._next

    def leaking(view, *rest):
        return f"{honest(view, *rest)}&of={asked_by_owner(view, 'SELECT count(*) FROM resource')}"

    monkeypatch.setattr(search, "_next", leaking)
    leak = prove(connect, service)
    assert [name for name, _ in leak.request.parameters] == ["_count"]
    assert leak.request.pages == 1
    assert leak.places == ("page 1: body.link[1].url",)


def test_numbers_of_versions_that_count_what_is_hidden_are_found(connect, service, populated, monkeypatch):
    """As they were before decision 0138: the number of a version that was never sent is missing."""
    interactions = import_module("exchange.api.interactions")
    honest = interactions.find

    def numbered(view, kind, key):
        found = honest(view, kind, key)
        asked = "SELECT max(version) FROM resource WHERE type = %s AND fhir_id::text = %s"
        number = asked_by_owner(view, asked, (kind, key))
        return replace(found, etag=f'W/"{number}"') if found and number else found

    monkeypatch.setattr(interactions, "find", numbered)
    leak = prove(connect, service)
    assert told(leak.request) == "GET Observation/…"
    assert leak.places == ("page 1: header etag",)


def test_two_versions_that_say_the_same_with_a_hidden_one_between_are_found(connect, service, populated):
    """As a history was before decision 0138."""
    (function,) = populated.conn.execute("SELECT pg_get_functiondef('unbroken'::regproc)").fetchone()
    populated.conn.execute(f"{function.partition('AS $function$')[0]} AS 'BEGIN RETURN true; END'")
    populated.conn.commit()
    try:
        leak = prove(connect, service)
    finally:
        populated.conn.execute(function)
        populated.conn.commit()
    assert any(place.endswith(".meta.versionId") for place in leak.places)


def test_a_refusal_that_tells_hidden_from_absent_is_found(connect, service, populated, monkeypatch):
    interactions = import_module("exchange.api.interactions")
    honest = interactions.find

    def leaking(view, kind, key):
        found = honest(view, kind, key)
        there = "SELECT count(*) FROM resource WHERE type = %s AND fhir_id::text = %s"
        if found is None and asked_by_owner(view, there, (kind, key)):
            raise Refusal(403, "forbidden", "not for you")
        return found

    monkeypatch.setattr(interactions, "find", leaking)
    leak = prove(connect, service)
    assert leak.request.headers == ()
    assert told(leak.request).split()[1] in ("Observation/…", "Condition/…")
    assert "page 1: status 403 or 404" in leak.places


@contextmanager
def served(service):
    """The service at a base URL that is true."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at_home = replace(service, base_url=f"http://127.0.0.1:{port}")
    with serving(at_home, Address(port=port)):
        yield at_home


def _compare_servers(connect, one, other, viewers, monkeypatch):
    for number, (at, viewer) in enumerate(zip((one, other), viewers, strict=True), 1):
        with connect() as conn:
            client = find_client(conn, f"{viewer.participant}-ES384")
        token, _ = issue(at, viewer, client, parse_scopes("system/*.rs"), datetime.now(UTC))
        monkeypatch.setenv(f"EXCHANGE_PROVE_TOKEN_{number}", token)
    words = ["prove", "non-interference", "--requests", "40", "--json"]
    return CliRunner().invoke(app, [*words, "--against", one.fhir_url, other.fhir_url])


def test_two_servers_are_compared_over_http(connect, service, populated, register, monkeypatch):
    register("prairie_clinic")
    register("lakeside_hospital")
    with served(service) as one, served(service) as other:
        alike = _compare_servers(connect, one, other, (CLINIC, CLINIC), monkeypatch)
        seeing_more = replace(CLINIC, participant="lakeside_hospital")
        unlike = _compare_servers(connect, one, other, (CLINIC, seeing_more), monkeypatch)
    assert (alike.exit_code, json.loads(alike.stdout)["holds"]) == (0, True)
    assert unlike.exit_code == 10
    leak = json.loads(unlike.stdout)["requesters"][0]["leak"]
    assert leak["places"]
    assert "Kowalska" not in unlike.stdout

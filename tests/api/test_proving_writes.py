"""Requests that write are asked in one world and then in the other, and a leak planted at each exit shows."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from random import Random

import psycopg
import pytest

from exchange.api.messages import Refusal
from exchange.app.prove.asking import MADE, Material, Request, told
from exchange.app.prove.proving import Effort, first_leak_in_turns
from exchange.app.prove.sending import sending_request
from exchange.app.prove.writing import writing_request
from exchange.cli.prove.twin import turns
from exchange.delivery.parcel import Office
from exchange.model.partner import Connector
from exchange.model.records import Viewer
from exchange.repository import ClockRunsBackwards

from .conftest import PARTNERS
from .subscribing.subscribing import wanted
from .test_care import TOLD, panel, parameters

HOSPITAL = Viewer("lakeside_hospital", "physician", "TREAT")
EMERGENCY = replace(HOSPITAL, purpose="BTG")


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def service(service):
    pushing = PARTNERS["lakeside_hospital"].model_copy(update={"connector": Connector(type="push")})
    return replace(service, participants={**PARTNERS, pushing.code: pushing})


@pytest.fixture
def ids(records):
    """The hospital sees nothing of a stranger at the clinic; of another person every other result."""
    person = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])
    stranger = records.patient("prairie_clinic", "p2", name=[{"family": "Nowak"}])
    records.publish_patient("prairie_clinic", stranger, "HIV")
    hidden = records.observation("prairie_clinic", person, "o1", "HIV")
    return {"person": person, "stranger": stranger, "hidden": hidden}


@pytest.fixture
def worlds(database, service, ids, context, signing_key):
    office = Office(context, service.fhir_url, signing_key, str.title, service.clock)

    @contextmanager
    def connect():
        with psycopg.connect(database) as conn:
            yield conn

    return lambda viewer: turns(connect, service, office, viewer, seed=1)


def written(method, path, body, *then, headers=()):
    return Request(method, path, (), headers, body=json.dumps(body), then=then)


def get(path):
    return Request("GET", path)


def stories(ids):
    """One for each exit, about the stranger and what is hidden."""
    stranger, hidden = ids["stranger"], ids["hidden"]
    group, subscription = f"Group/{MADE}", f"Subscription/{MADE}"
    entry = {
        "resource": {"resourceType": "Observation", "id": hidden, "status": "final"},
        "request": {"method": "PUT", "url": f"Observation/{hidden}"},
    }
    pushed = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    asked = wanted("https://receiver.example/hook", filtered=f"Observation?patient=Patient/{stranger}")
    place = f"Patient/{stranger}"
    return {
        "create": written("POST", "Group", panel(stranger)),
        "update": written("PUT", f"Group/{stranger}", panel(stranger)),
        "read": written("POST", "Group", panel(stranger), get(group)),
        "vread": written("POST", "Group", panel(stranger), get(f"{group}/_history/1")),
        "end": written("POST", "Group", panel(stranger), Request("DELETE", group)),
        "subscribe": written("POST", "Subscription", asked),
        "followed": written("POST", "Subscription", asked, get(subscription)),
        "status": written("POST", "Subscription", asked, get(f"{subscription}/$status")),
        "events": written("POST", "Subscription", asked, get(f"{subscription}/$events")),
        "list": written("POST", "Subscription", asked, get("Subscription")),
        "rest": written("POST", "Subscription", asked,
                        written("PUT", subscription, {**asked, "id": MADE, "status": "off"})),
        "unsubscribe": written("POST", "Subscription", asked, Request("DELETE", subscription)),
        "glass": written("POST", f"{place}/$break-glass", parameters(**TOLD)),
        "attest": written("POST", f"{place}/$attest-relationship", parameters(reason="seen today")),
        "unattest": written("POST", f"{place}/$attest-relationship", parameters(reason="seen today"),
                            Request("DELETE", f"{place}/$attest-relationship")),
        "push": written("POST", "", pushed),
        "pushed": written("POST", "", pushed, get(f"$push-status/{MADE}")),
    }  # fmt: skip


EXITS = {
    "create": ("panels.create", 201), "update": ("panels.update", 201), "read": ("panels.read", 200),
    "vread": ("panels.vread", 200), "end": ("panels.delete", 204),
    "subscribe": ("subscribing.served.create", 201), "followed": ("subscribing.served.read", 200),
    "status": ("subscribing.served.status", 200), "events": ("doors.events", 200),
    "list": ("subscribing.served.search", 200), "rest": ("subscribing.served.update", 200),
    "unsubscribe": ("subscribing.served.delete", 204),
    "glass": ("care.break_glass", 201), "attest": ("care.attest", 201),
    "unattest": ("care.end_attestation", 204),
    "push": ("pushing.push", 202), "pushed": ("pushing.status", 202),
}  # fmt: skip


def test_the_requests_drawn_go_over_every_exit_that_writes():
    ids = dict.fromkeys(("Patient", "Group", "Observation", "Consent"), ("1",))
    values = {("Observation", "identifier"): ("urn:x|7",)}
    material, random = Material(values, ids, (datetime(2026, 1, 1, tzinfo=UTC),)), Random(3)
    drawn = [writing_request(random, material) for _ in range(300)]
    paths = {f"{asked.method} {asked.path}" for one in drawn for asked in (one, *one.then)}
    assert paths >= {
        "POST Group", "PUT Group/1", "GET Group/{made}", "GET Group/{made}/_history/1", "PUT Group/{made}",
        "DELETE Group/{made}", "POST Subscription", "GET Subscription/{made}",
        "GET Subscription/{made}/$status", "GET Subscription/{made}/$events", "PUT Subscription/{made}",
        "GET Subscription", "DELETE Subscription/{made}", "POST Patient/1/$break-glass",
        "POST Patient/1/$attest-relationship", "DELETE Patient/1/$attest-relationship", "POST ",
        "GET $push-status/{made}",
    }  # fmt: skip
    assert any('"Consent"' in one.body for one in drawn)


@pytest.mark.parametrize("viewer", [HOSPITAL, EMERGENCY], ids=lambda viewer: viewer.purpose)
def test_it_holds_for_what_is_written_and_leaves_nothing(worlds, records, viewer):
    with worlds(viewer) as opened:
        assert first_leak_in_turns(opened.compare, writing_request, opened.material, Effort(1, 30)) is None
    for table in ("panel", "push", "subscription", "emergency_access", "client", "audit_event"):
        assert records.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def leaking(honest):
    """Refuses where there is a result, whether who asks may see it or not."""

    def answer(asked, *rest, **more):
        with asked.service.pool.connection() as conn:
            (results,) = conn.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone()
        if results:
            raise Refusal(422, "value", "there is something")
        return honest(asked, *rest, **more)

    return answer


@pytest.mark.parametrize("viewer", [HOSPITAL, EMERGENCY], ids=lambda viewer: viewer.purpose)
def test_a_leak_planted_at_any_exit_that_writes_shows(worlds, ids, monkeypatch, viewer):
    unseen = []
    with worlds(viewer) as opened:
        for exit, story in stories(ids).items():
            where, status = EXITS[exit]
            if (exit == "glass") != (viewer is EMERGENCY):
                continue
            module, _, name = f"exchange.api.{where}".rpartition(".")
            at = import_module(module)
            with monkeypatch.context() as planted:
                planted.setattr(at, name, leaking(getattr(at, name)))
                (found,) = opened.compare([story])
            if f"page {1 + len(story.then)}: status 422 or {status}" not in found:
                unseen.append((exit, found))
        honest = list(stories(ids).values())
        assert opened.compare(honest) == [()] * len(honest)
    assert unseen == []


def test_a_panel_that_keeps_whom_it_knows_alone_is_found_and_made_short(worlds, monkeypatch):
    """The upload's answer and all that is read of it later would tell who has a record here."""
    panels = import_module("exchange.api.panels")
    honest = panels._keep

    def keeping(asked, name, expected):
        with asked.service.pool.connection() as conn:
            known = {
                str(row[0]) for row in conn.execute("SELECT fhir_id FROM resource WHERE type = 'Patient'")
            }
        found = panels._panel(panels.resource_of(asked.call, "Group"), name)
        unknown = set(found.members) - known
        return replace(honest(asked, name, expected), headers={"X-Unknown": str(len(unknown))})

    monkeypatch.setattr(panels, "_keep", keeping)
    with worlds(HOSPITAL) as opened:
        leak = first_leak_in_turns(opened.compare, writing_request, opened.material, Effort(1, 10))
    assert told(leak.request).split()[1].partition("/")[0] == "Group"
    assert leak.request.then == ()
    assert leak.places == ("page 1: header x-unknown",)


def test_what_is_drawn_to_be_sent_goes_out_in_every_form():
    ids = dict.fromkeys(("Patient", "Observation", "Encounter"), ("1",))
    material, random = Material({}, ids, ()), Random(3)
    drawn = [sending_request(random, material) for _ in range(200)]
    assert {one.path for one in drawn} == {"rest_hook", "fhir", "sftp", "download", "mllp"}
    asked = {pair for one in drawn for pair in one.parameters}
    assert asked >= {
        ("content", "empty"), ("content", "id-only"), ("form", "csv"), ("form", "pdf"), ("panel", "own"),
        ("panel", "related"), ("patients", "1"), ("event", "Encounter/1"), ("event", "Patient/1"),
    }  # fmt: skip


def sendings(ids, *names):
    events = [("event", place) for name in names for place in ids[name]]
    for channel, content in (("rest_hook", "id-only"), ("rest_hook", "empty"), ("fhir", "full-resource")):
        yield Request("SEND", channel, (("content", content), *events))
    for channel, form in (("rest_hook", "fhir"), ("sftp", "csv"), ("download", "pdf")):
        yield Request("SEND", channel, (("form", form), *events))


@pytest.fixture
def places(records, ids):
    shown = records.observation("prairie_clinic", ids["person"], "o2")
    gone = records.observation("prairie_clinic", ids["person"], "o3", "HIV")
    records.delete(f"Observation/{gone}")
    return {
        "seen": [f"Patient/{ids['person']}", f"Observation/{shown}"],
        "hidden": [f"Patient/{ids['stranger']}", f"Observation/{ids['hidden']}", f"Observation/{gone}"],
    }


def test_it_holds_for_what_is_sent_and_leaves_nothing(worlds, records, places):
    with worlds(HOSPITAL) as opened:
        asked = [*sendings(places, "seen", "hidden"), *sendings(places, "hidden"), *sendings(places, "seen")]
        assert opened.compare_sent(asked) == [()] * len(asked)
        leak = first_leak_in_turns(opened.compare_sent, sending_request, opened.material, Effort(1, 30))
    assert leak is None
    for table in ("subscription", "delivery", "delivery_event", "receipt", "audit_event"):
        assert records.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_leak_planted_in_what_is_sent_shows_in_every_form_and_is_made_short(worlds, places, monkeypatch):
    composing = import_module("exchange.delivery.composing")
    honest = composing.compose

    def telling(conn, due, office):
        """Where there is something about a hidden record, nothing goes out."""
        return None if len(due.events) > len(places["seen"]) else honest(conn, due, office)

    monkeypatch.setattr("exchange.app.prove.sending.compose", telling)
    with worlds(HOSPITAL) as opened:
        asked = list(sendings(places, "seen", "hidden"))
        assert all(found[0] == "page 1: status 204 or 200" for found in opened.compare_sent(asked))
        assert opened.compare_sent(list(sendings(places, "hidden"))) == [()] * len(asked)
        leak = first_leak_in_turns(
            opened.compare_sent, lambda random, material: asked[0], opened.material, Effort(1, 1)
        )
    assert told(leak.request).startswith("SEND rest_hook?event=…")
    assert len(leak.request.parameters) == len(places["seen"]) + 1


def test_what_is_hidden_there_is_what_may_not_be_sent_and_not_what_may_not_be_asked_for(worlds, records, ids):
    spoken = records.patient("prairie_clinic", "p3", name=[{"family": "Wolski"}])
    result = records.observation("prairie_clinic", spoken, "o4")
    records.consent("prairie_clinic", spoken, "deny", "access")
    about = {"sent": [f"Patient/{spoken}", f"Observation/{result}"]}
    with worlds(HOSPITAL) as opened:
        assert opened.compare_sent(list(sendings(about, "sent"))) == [()] * 6


def test_where_the_clock_went_on_what_is_sent_is_refused_as_an_answer_is(worlds, places, monkeypatch):
    def late(conn, due, office):
        raise ClockRunsBackwards("the clock went on")

    with worlds(HOSPITAL) as opened:
        with monkeypatch.context() as planted:
            planted.setattr("exchange.app.prove.sending.compose", late)
            assert opened.compare_sent(list(sendings(places, "seen"))) == [()] * 6
        assert opened.compare_sent(list(sendings(places, "seen"))) == [()] * 6

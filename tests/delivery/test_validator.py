"""What goes out and the record of it, before an independent validator."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from exchange.cli.main import app
from exchange.delivery.affected import revoked
from exchange.delivery.recall import Cause, open_recall
from tests.delivery.world import PART2, delivery
from tests.repository.repository_world import observation
from tests.validation.parity import judge

ROOT = Path(__file__).parents[2]
TOPICS = ("admission", "new-result", "resource-published", "resource-deleted", "consent-change")
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not all(map(shutil.which, judge.TOOLS)), reason="needs a JDK and Maven"),
]


def _taken(got):
    answers = [{"response": {"status": "200 OK"}} for _ in orjson.loads(got.body)["entry"]]
    body = {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}
    return 200, orjson.dumps(body), {"Content-Type": "application/fhir+json"}


@pytest.fixture
def sent(world, receiver):
    """Everything of a person's stay, a result under 42 CFR part 2, its recall, and a heartbeat."""
    hospital, clinic = world.person()
    harbor = world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])
    world.link(hospital, harbor)
    world.link(clinic, harbor)
    world.consent(harbor)
    world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])
    inbox, server = receiver(), receiver(_taken)
    world.subscribe(
        full=delivery(inbox.url, *TOPICS),
        ids=delivery(inbox.url, *TOPICS, content="id-only"),
        bare=delivery(inbox.url, *TOPICS, content="empty", heartbeat_seconds=60),
        held=delivery(server.url, *TOPICS, kind="fhir", every="nightly"),
    )
    world.admit(hospital)
    world.publish(world.item("harbor", observation("harbor", harbor, "p1"), labels=PART2))
    world.send()
    world.send("nightly")
    world.consent(harbor, "2", "inactive")
    world.later(minutes=5)
    found = revoked(world.conn, harbor, world.context, world.now)
    open_recall(world.conn, Cause("revocation", "Consent/1", "anna", "withdrawn"), found, world.now)
    world.conn.commit()
    world.send()
    bundles = [orjson.loads(got.body) for got in (*inbox.got, *server.got)]
    events = world.ask("SELECT body FROM audit_event ORDER BY sequence")
    return bundles, events, clinic


def _plain(value):
    """Without the profiles it claims, which no Maven repository carries."""
    if isinstance(value, dict):
        plain = {name: _plain(one) for name, one in value.items() if name != "profile"}
        return {name: one for name, one in plain.items() if one != {}}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def test_an_independent_validator_finds_no_error_in_any_of_it(sent, database, tmp_path, monkeypatch):
    bundles, events, patient = sent
    told = {entry["resource"]["resourceType"] for b in bundles for entry in b["entry"] if "resource" in entry}
    assert told >= {"Parameters", "Patient", "Encounter", "Observation", "Provenance", "Task"}
    monkeypatch.setenv("EXCHANGE_HOME", str(ROOT))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)
    done = CliRunner().invoke(app, ["audit", "accounting", patient, "--form", "fhir"])
    accounted = orjson.loads(done.stdout_bytes)
    assert accounted["entry"]
    broken = copy.deepcopy(events[0])
    del broken["source"]
    classpath = judge.fetch(tmp_path)
    if classpath is None:
        pytest.skip("the validator cannot be fetched from a Maven repository")
    judged = [_plain(one) for one in (*bundles, *events, accounted, broken)]
    found = judge.errors(judged, classpath)
    assert set(found) == {len(judged) - 1}, [
        (judged[n]["resourceType"], where, words) for n, said in found.items() for where, words in said
    ]

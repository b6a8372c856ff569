"""A match steward at work on a real exchange: queue, side by side, decide, undo, history, feed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from exchange.app import find_partner, open_exchange
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.cli.main import app
from exchange.model.errors import Conflict, ContentError
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.conftest import copied_database
from tests.pipeline.coalition import observation, write_ndjson
from tests.pipeline.twins import make_twins

SAID = ("--steward", "R. Vega", "--reason", "both partners were asked")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, module_database):
    """The folder of two clinics that have sent what they have, and the database it is in."""
    folder = tmp_path_factory.mktemp("twins")
    make_twins(folder)
    exchange = open_exchange(load_settings(_settings(folder, module_database)))
    for code in ("elm_clinic", "oak_clinic"):
        run_partner(exchange.work, find_partner(exchange.partners, code))
    return folder, module_database


@pytest.fixture
def database(database_server, prepared):
    with copied_database(database_server, conninfo_to_dict(prepared[1])["dbname"]) as url:
        yield url


@pytest.fixture
def opened(monkeypatch, prepared, database):
    for name, value in _settings(prepared[0], database).items():
        monkeypatch.setenv(name, value)
    return open_exchange(load_settings())


def _settings(folder, database):
    known = {"HOME": folder / "home", "DATA": folder / "data", "DATABASE_URL": database}
    return {f"EXCHANGE_{name}": str(value) for name, value in known.items()}


def _run(*arguments):
    done = CliRunner().invoke(
        app, ["match", *map(str, arguments)], catch_exceptions=False, standalone_mode=False
    )
    if done.exception:
        raise done.exception
    return done.stdout


def _json(*arguments):
    return json.loads(_run(*arguments, "--json"))


def _pair():
    (found,) = _json("queue")["pairs"]
    return f"{found['a']}-{found['b']}"


def _persons(database):
    with psycopg.connect(database) as connection:
        return len(connection.execute("SELECT DISTINCT person FROM patient").fetchall())


def _disclose(exchange, at):
    """Somebody asked for the first twin and got an answer."""
    with exchange.work.connect() as connection:
        fhir_id, golden = connection.execute("SELECT fhir_id::text, golden_id::text FROM patient").fetchone()
        who = Requester("app", "oak_clinic", "Oak Clinic", "", "TREAT", "t1")
        how = Circumstances(at, "https://exchange.example", "127.0.0.1", "r1")
        append(
            connection,
            query_entries(
                who, how, "Observation?patient=x", [Disclosed(golden, (f"Observation/{fhir_id}",))]
            ),
        )
        connection.commit()
    return fhir_id


def test_the_queue_names_the_reason_and_no_patient(opened):
    (found,) = _json("queue")["pairs"]
    assert (found["rule"], found["harm"], found["decision"]) == ("twin", 0, None)
    assert sorted(found["partners"]) == ["elm_clinic", "oak_clinic"]
    assert "arding" not in _run("queue")


def test_two_records_stand_side_by_side_and_the_look_is_recorded(opened, database):
    told = _run("show", _pair(), "--steward", "R. Vega")
    assert "Xiomara Harding" in told
    assert "Xiomora Harding" in told
    assert "birth_date" in told
    assert "because of: twin" in told
    with psycopg.connect(database) as connection:
        looked = connection.execute(
            "SELECT body -> 'agent' -> 0 -> 'who' ->> 'display', patient FROM audit_event"
            " WHERE kind = 'match.viewed'"
        ).fetchall()
    assert [who for who, _ in looked] == ["R. Vega", "R. Vega"]
    assert len({patient for _, patient in looked}) == 2


def test_the_evidence_sums_up_to_the_probability(opened):
    found = _json("show", _pair(), "--steward", "R. Vega")
    bits = found["prior"] + sum(weight for _, weight in found["doubt"]["evidence"]["fields"].values())
    assert 1 / (1 + 2**-bits) == pytest.approx(found["doubt"]["probability"], abs=1e-3)


def test_a_link_and_its_undoing_are_told_in_the_feed_and_in_the_history(opened, database):
    pair = _pair()
    _run("link", pair, *SAID)
    assert _persons(database) == 1
    assert _json("queue")["pairs"] == []
    _run("apart", pair, *SAID)
    assert _persons(database) == 2
    changes = _json("changes")
    assert [change["kind"] for change in changes] == ["person.merged", "person.split"]
    assert _json("changes", "--after", changes[0]["event"]) == changes[1:]
    history = _json("history", pair.split("-")[0])
    assert [event["kind"] for event in history if event["b"]][:1] == ["possible"]
    assert [e["evidence"]["steward"] for e in history if e["basis"] == "steward"] == ["R. Vega", "R. Vega"]


def test_an_unmerge_lists_what_went_out_while_the_two_were_one(opened):
    pair = _pair()
    _disclose(opened, datetime.now(UTC))
    _run("link", pair, *SAID)
    shown = _disclose(opened, datetime.now(UTC))
    (told,) = _json("apart", pair, *SAID)["disclosed"]
    assert (told["participant"], told["resources"]) == ("oak_clinic", [f"Observation/{shown}"])
    assert _json("apart", pair, *SAID)["disclosed"] == []


def test_a_record_changed_after_the_link_comes_apart_as_it_is_now(opened, prepared, database):
    pair = _pair()
    _run("link", pair, *SAID)
    write_ndjson(prepared[0] / "oak" / "two.ndjson", [observation(2, 1)])
    run_partner(opened.work, find_partner(opened.partners, "oak_clinic"))
    _run("apart", pair, *SAID)
    with psycopg.connect(database) as connection:
        owned = connection.execute(
            "SELECT p.partner, count(*) FROM resource r JOIN patient p USING (patient)"
            " WHERE r.type = 'Observation' GROUP BY p.partner, p.person ORDER BY 1"
        ).fetchall()
    assert owned == [("elm_clinic", 1), ("oak_clinic", 2)]


def test_a_question_leaves_the_pair_in_the_queue(opened):
    pair = _pair()
    assert "elm_clinic and oak_clinic" in _run("ask", pair)
    (found,) = _json("queue")["pairs"]
    assert found["asked"]


def test_what_cannot_be_decided_is_told(opened):
    refused = [
        (("link", "1-999", *SAID), "no such patient"),
        (("link", "1-1", *SAID), "the same patient twice"),
        (("link", "one-two", *SAID), "as 17-204"),
        (("link", "1-2", "--steward", " ", "--reason", "x"), "who made it and why"),
        (("settle", "1", "--outcome", "one-person", *SAID), "nothing to settle"),
    ]
    for arguments, reason in refused:
        with pytest.raises(ContentError, match=reason):
            _run(*arguments)
    assert "asked" in _run("ask", "2-1"), "the order of the two is nobody's business"


def test_a_model_is_told_and_then_activated_as_told(opened):
    told = _json("diff")
    assert told["difference"]["patients"] == 0
    assert told["digest"] in _run("diff")
    assert _json("relink", "--report", told["digest"]) == told
    with pytest.raises(Conflict):
        _run("relink", "--report", "0" * 64)


def test_a_person_is_told_value_by_value_with_the_reason(opened):
    number = _pair().partition("-")[0]
    told = {one["element"]: one for one in _json("person", number, "--steward", "R. Vega")["survivors"]}
    assert told["birthDate"]["reason"] == "no partner says otherwise"
    assert "birthDate" in _run("person", number, "--steward", "R. Vega")


def test_what_the_model_held_of_a_pair_that_did_not_wait_is_kept_with_the_decision(opened, database):
    """So that a link of the model that a steward takes apart counts as no agreement with the model."""
    pair = _pair()
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM match_review")
    assert _json("show", pair, "--steward", "R. Vega")["evidence"]["fields"]["birth_date"][0] == "exact"
    _run("apart", pair, *SAID)
    with psycopg.connect(database) as connection:
        ((probability, evidence),) = connection.execute("SELECT probability, evidence FROM match_review")
    assert probability > 0.5
    assert evidence["fields"]["birth_date"][0] == "exact"

"""The minimum necessary as it is served: what is left out is neither delivered nor found."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from repository_world import BASE, KEY, World

from exchange.consent import Context, parse_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import read_cases
from exchange.content import read_tree
from exchange.model.ids import resource_id
from exchange.model.records import Labels, Viewer
from exchange.repository import everything, fold_new_classes, search
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.reading.chosen import Wanted, chosen
from exchange.repository.reading.read import read

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
PLAN = Viewer("prairie_plan", "organization", "HPAYMT")
HOSPITAL = Viewer("lakeside_hospital", "organization", "TREAT")
LOINC = "http://loinc.org"


@pytest.fixture(scope="module")
def stored(module_database):
    import psycopg

    files = read_tree(ROOT / "consent")
    cast = {
        code: type(one)(**{n: getattr(one, n) for n in one.__slots__} | {"purposes": ("TREAT", "HPAYMT")})
        for code, one in read_cases(files)[0].items()
    }
    context = Context(parse_rules(files), cast)
    with psycopg.connect(module_database) as conn:
        register_participants(conn, context, NOW)
        conn.commit()
        world = World(conn, context, NOW)
        name = [{"family": "Reed", "given": ["Ann"]}]
        world.person = world.patient(
            "prairie_clinic", "p", name=name, birthDate="1980-01-15", maritalStatus={"text": "M"}
        )
        conn.execute(
            "INSERT INTO relationship (participant, patient, basis, until)"
            " SELECT n, patient, 'attestation', 'infinity' FROM patient,"
            " unnest(ARRAY['prairie_plan', 'lakeside_hospital']) AS n ON CONFLICT DO NOTHING"
        )
        world.observations = {
            partner: observation(world, partner) for partner in ("prairie_clinic", "prairie_plan")
        }
        conn.commit()
        yield world


def observation(world, partner):
    body = {
        "resourceType": "Observation",
        "id": resource_id(f"https://{partner}.example/", "Observation", "o"),
        "status": "final",
        "subject": {"reference": f"Patient/{world.person}"},
        "code": {"coding": [{"system": LOINC, "code": "4548-4"}]},
        "effectiveDateTime": "2026-05-05",
        "valueQuantity": {"value": 9.1, "system": "http://unitsofmeasure.org", "code": "%"},
        "note": [{"text": "worried"}],
    }
    world.publish(world.item(partner, body))
    return body["id"]


def bodies(page):
    return [json.loads(entry.body) for entry in page.entries]


def found(world, who, *asked, kind="Observation"):
    with world.as_viewer(who) as view:
        page = search(view, kind, [*asked, ("_total", "accurate")], BASE, KEY)
    return page.total, bodies(page)


def test_read_search_and_everything_deliver_only_what_is_left(stored):
    clinic = stored.observations["prairie_clinic"]
    with stored.as_viewer(PLAN) as view:
        one = json.loads(read(view, "Observation", clinic).body)
        whole = bodies(everything(view, stored.person, [], BASE, KEY))
    searched = {body["id"]: body for body in found(stored, PLAN)[1]}
    for body in (one, searched[clinic], next(b for b in whole if b["id"] == clinic)):
        assert body["code"]
        assert not body.keys() & {"valueQuantity", "note"}
        assert body["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert all("maritalStatus" not in body for body in whole if body["resourceType"] == "Patient")
    assert found(stored, PLAN, kind="Patient")[1][0]["name"]


def test_what_the_plan_sent_itself_stays_whole_and_can_be_found(stored):
    own = stored.observations["prairie_plan"]
    total, rows = found(stored, PLAN, ("value-quantity", "9.1"))
    assert (total, [body["id"] for body in rows]) == (1, [own])
    assert rows[0]["valueQuantity"]


def test_search_finds_nothing_by_what_is_left_out_and_everything_by_what_is_left(stored):
    assert found(stored, PLAN, ("value-quantity", "gt0"))[0] == 1
    assert found(stored, HOSPITAL, ("value-quantity", "gt0"))[0] == 2
    assert found(stored, PLAN, ("value-quantity:missing", "true"))[0] == 1
    assert found(stored, PLAN, ("code", f"{LOINC}|4548-4"))[0] == 2
    assert found(stored, PLAN, ("date", "2026-05-05"))[0] == 2


INDEXES = ("index_token", "index_reference", "index_date", "index_string")


def test_no_index_holds_for_the_plan_what_is_left_out(stored):
    """The policies alone, of every kind of value; what the plan is left is there."""
    author = {"reference": f"Practitioner/{resource_id('https://x.example/', 'Practitioner', '1')}"}
    body = {
        "resourceType": "DocumentReference",
        "id": resource_id("https://prairie_clinic.example/", "DocumentReference", "d"),
        "status": "current",
        "subject": {"reference": f"Patient/{stored.person}"},
        "type": {"coding": [{"system": LOINC, "code": "34133-9"}]},
        "date": "2026-05-05T10:00:00-05:00",
        "author": [author],
        "description": "a summary",
        "content": [{"attachment": {"contentType": "text/plain", "url": "https://x.example/1"}}],
    }
    stored.publish(stored.item("prairie_clinic", body))
    (rid,) = stored.conn.execute("SELECT rid FROM resource WHERE type = 'DocumentReference'").fetchone()
    stored.conn.commit()
    shown = {}
    for who in (PLAN, HOSPITAL):
        with stored.as_viewer(who) as view:
            asked = "SELECT count(DISTINCT param) FROM {} WHERE rid = %s"
            shown[who] = [view.conn.execute(asked.format(table), (rid,)).fetchone()[0] for table in INDEXES]
    assert all(some < whole for some, whole in zip(shown[PLAN], shown[HOSPITAL], strict=True)), shown
    assert sum(shown[PLAN]) > 0


def test_who_treats_gets_the_whole_record(stored):
    assert all(body["valueQuantity"] and "tag" not in body["meta"] for body in found(stored, HOSPITAL)[1])


def test_a_record_chosen_to_be_delivered_is_cut_alike(stored):
    clinic = stored.observations["prairie_clinic"]
    with stored.as_viewer(PLAN) as view:
        found = chosen(view, [Wanted("Observation", UUID(clinic), 0)])
    (served,) = found.named.values()
    assert "valueQuantity" not in json.loads(served.body)
    assert "maritalStatus" not in json.loads(found.patients[0].body)


def test_no_module_takes_rows_of_records_past_the_cut():
    taking = {
        path.name
        for path in (ROOT / "exchange").rglob("*.py")
        if "Shown(*" in path.read_text("utf-8") and path.name != "reader.py"
    }
    assert taking == set()


def test_what_is_hidden_is_not_asked_first_whether_it_is_shown_whole(stored):
    """It cost more than all else that is asked of a row, for as many as there are."""
    for n in range(_HIDDEN):
        test = {
            "resourceType": "DiagnosticReport",
            "id": resource_id("https://prairie_clinic.example/", "DiagnosticReport", str(n)),
            "status": "final",
            "subject": {"reference": f"Patient/{stored.person}"},
            "code": {"text": "a test"},
            "conclusionCode": [{"coding": [{"system": LOINC, "code": "left-out"}]}],
        }
        stored.publish(stored.item("prairie_clinic", test, labels=Labels("R", frozenset({"HIPAASelfPay"}))))
    fold_new_classes(stored.conn, NOW)
    stored.conn.commit()
    asked = (
        "SELECT coalesce(idx_scan, 0) + seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'disclosure'"
    )
    with stored.as_viewer(PLAN) as view:
        (before,) = view.conn.execute(asked).fetchone()
        view.conn.execute("SELECT count(*) FROM index_token")
        (after,) = view.conn.execute(asked).fetchone()
        view.conn.execute("RESET ROLE")
    assert after - before < _HIDDEN


_HIDDEN = 40

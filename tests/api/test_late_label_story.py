"""A code list is corrected: the sweep closes what the API showed, the worklist names who had received it."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.clients import Client, register_client
from exchange.api.metrics import Metrics
from exchange.app import find_partner
from exchange.cli.service import api_service
from exchange.model.ids import golden_id
from exchange.pipeline.steps import run_partner
from exchange.pipeline.sweep import sweep
from exchange.repository import late_disclosures
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry

from .conftest import BASE_URL, Software

# Across the border, where HIV needs the person's word; on this side of it; and one who had read nothing.
HOSPITALS = {"dunes_hospital": "IN", "lakeside_hospital": "IL", "marsh_hospital": "IN"}
HOSPITAL = """\
namespace: https://{name}.example/
organization: {{name: {name}, type: hospital, covered_entity: true, state: {state}}}
agreement: {{type: BAA, signed: 2020-01-01}}
requests: {{purposes: [TREAT]}}
"""
ROW = "http://loinc.org,exact,4548-4,HIV,strong,,,a list that was corrected,ours\n"
JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def folder(tmp_path):
    make_pantry(tmp_path)
    for code, state in HOSPITALS.items():
        home = tmp_path / "home/mappings" / code
        home.mkdir()
        (home / "partner.yaml").write_text(HOSPITAL.format(name=code.replace("_", "-"), state=state))
    return tmp_path


@pytest.fixture
def open_api(folder, database):
    """Opens the exchange with the lists as they are now; gives it and its API."""
    with ExitStack() as stack:

        def open_again():
            opened = open_pantry(folder, database)
            service = stack.enter_context(api_service(opened, BASE_URL))
            return opened, stack.enter_context(TestClient(create_app(service, Metrics()), base_url=BASE_URL))

        yield open_again


@pytest.fixture
def hospitals(database, key_pairs):
    """Registers each hospital's software."""

    def register(partners):
        private_key, jwk = key_pairs["ES384"]
        found = {}
        for code in HOSPITALS:
            scopes = ["system/*.rs", "system/Group.cud"]
            client = Client(code, code, {"keys": [jwk]}, scopes, ["organization"], ["TREAT"])
            with psycopg.connect(database) as conn:
                register_client(conn, client, partners[code], datetime.now(UTC))
            found[code] = Software(code, code, private_key, jwk)
        return found

    return register


def ask(api, software, path, method="GET", **options):
    form = software.form(scope="system/*.rs system/Group.cud")
    token = api.post("/auth/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", **JSON}
    return api.request(method, f"/fhir/{path}", headers=headers, **options)


def stored(opened, kind):
    with opened.work.connect() as connection:
        return [
            str(row[0])
            for row in connection.execute(
                "SELECT fhir_id FROM resource WHERE type = %s AND partner = 'elm_clinic' ORDER BY record",
                [kind],
            )
        ]


def test_a_corrected_list_closes_what_was_open_and_names_who_had_received_it(folder, open_api, hospitals):
    opened, api = open_api()
    sent = [patient(1), observation(1, of=1), {**observation(2, of=1), "code": {"text": "Weight"}}]
    write_ndjson(folder / "records/1.ndjson", sent)
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))
    software = hospitals(opened.partners)
    person = golden_id(stored(opened, "Patient")[0])
    told = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "in our ward"}]}
    for code in HOSPITALS:
        answer = ask(api, software[code], f"Patient/{person}/$attest-relationship", "POST", json=told)
        assert answer.status_code in (200, 201), answer.text
    result, weight = stored(opened, "Observation")
    for code in ("dunes_hospital", "dunes_hospital", "lakeside_hospital"):
        assert ask(api, software[code], f"Observation/{result}").status_code == 200
    assert ask(api, software["dunes_hospital"], f"Observation/{weight}").status_code == 200

    file = folder / "home/consent/labels/hiv-sti.csv"
    file.write_text(file.read_text() + ROW)
    corrected, api = open_api()
    assert [done.partner for done in sweep(corrected.work)] == ["elm_clinic"]

    shown = {code: ask(api, software[code], f"Observation/{result}").status_code for code in HOSPITALS}
    assert shown == {"dunes_hospital": 404, "lakeside_hospital": 200, "marsh_hospital": 404}
    found = ask(api, software["dunes_hospital"], f"Observation?patient={person}").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [weight]
    with corrected.work.connect() as connection:
        (late,) = late_disclosures(connection)
    assert (late.participant, late.purpose, late.times) == ("dunes_hospital", "TREAT", 2)
    assert (late.type, str(late.fhir_id), late.labels) == ("Observation", result, ["HIV"])

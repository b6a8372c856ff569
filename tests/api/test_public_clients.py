"""Clients that nobody here wrote can use the API: fhirpy, fhirclient (SMART), fhir-kit-client (Node)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from exchange.api.access import issue
from exchange.api.clients import find_client
from exchange.api.scopes import parse_scopes
from exchange.api.serve import Address, serving
from exchange.model.ids import golden_id
from exchange.model.records import Viewer

pytestmark = pytest.mark.external

_KIT = """
import * as kit from 'fhir-kit-client';
const Kit = kit.Client ?? kit.FhirKitClient ?? kit.default?.default ?? kit.default;
const [base, token, id] = process.argv.slice(2);
const client = new Kit({ baseUrl: base, bearerToken: token });
const patient = await client.read({ resourceType: 'Patient', id });
let page = await client.search({ resourceType: 'Observation', searchParams: { patient: id, _count: 2 } });
let seen = page.entry.length;
while ((page = await client.nextPage({ bundle: page }))) seen += page.entry.length;
const past = await client.history({ resourceType: 'Patient', id });
const options = { postSearch: true };
const has = { '_has:Observation:patient:code': '2345-7' };
const found = await client.search({ resourceType: 'Patient', searchParams: has, options });
console.log(JSON.stringify([patient.name[0].family, seen, past.type, found.total]));
"""


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def patient(records):
    """Somebody with five observations; the id by which requesters know him."""
    fhir_id = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}], gender="female")
    for number in range(5):
        records.observation("prairie_clinic", fhir_id, f"o{number}")
    return golden_id(fhir_id)


@pytest.fixture
def served(service, patient, register, database):
    """Base URL and access token of a server that listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at_home = replace(service, base_url=f"http://127.0.0.1:{port}")
    software = register("lakeside_hospital")
    with psycopg.connect(database) as conn:
        client = find_client(conn, software.client_id)
    viewer = Viewer(software.participant, "organization", "TREAT")
    token, _ = issue(at_home, viewer, client, parse_scopes("system/*.rs"), datetime.now(UTC))
    with serving(at_home, Address(port=port)):
        yield at_home.fhir_url, token


def test_fhirpy_searches_pages_and_reads(served, patient):
    fhirpy = pytest.importorskip("fhirpy")
    url, token = served
    lenient = {"Prefer": "handling=lenient"}  # it sends a parameter of Aidbox beside the standard one
    client = fhirpy.SyncFHIRClient(url, authorization=f"Bearer {token}", extra_headers=lenient)
    observations = client.resources("Observation").search(patient__Patient__family="kowalska").limit(2)
    assert len(observations.fetch_all()) == 5
    assert client.resources("Observation").search(patient=patient, _total="accurate").count() == 5
    first = client.resources("Observation").sort("-date").include("Observation", "subject").first()
    assert first["subject"]["reference"] == f"Patient/{patient}"
    assert client.reference("Patient", patient).to_resource()["gender"] == "female"
    assert (
        client.resources("Patient").has("Observation", "patient", code="2345-7").fetch_all()[0]["id"]
        == patient
    )
    summary = client.reference("Patient", patient).execute("$summary", method="get")
    assert summary["type"] == "document"


def test_the_smart_client_for_python_searches_and_reads(served, patient):
    client = pytest.importorskip("fhirclient.client")
    models = pytest.importorskip("fhirclient.models.observation")
    people = pytest.importorskip("fhirclient.models.patient")
    url, token = served
    smart = client.FHIRClient(settings={"app_id": "test", "api_base": url})
    smart.server.session.headers["Authorization"] = f"Bearer {token}"
    assert people.Patient.read(patient, smart.server).gender == "female"
    found = models.Observation.where({"patient": patient, "_count": "2"}).perform_resources(smart.server)
    assert {one.code.coding[0].code for one in found} == {"2345-7"}
    pages = models.Observation.where({"patient": patient, "_count": "2"}).perform_resources_iter(smart.server)
    assert len(list(pages)) == 5


def test_fhir_kit_client_reads_searches_pages_and_tells_history(served, patient, tmp_path):
    if not shutil.which("npm"):
        pytest.skip("there is no Node here")
    install = ["npm", "install", "--prefix", str(tmp_path), "--silent", "fhir-kit-client@2"]
    if subprocess.run(install, check=False, capture_output=True, timeout=300).returncode:
        pytest.skip("the registry of npm does not answer")
    script = tmp_path / "ask.mjs"
    script.write_text(_KIT, "utf-8")
    done = subprocess.run(
        ["node", str(script), *served, patient], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Kowalska", 5, "history", 1]

"""Clients that nobody here wrote can use the API: fhirpy, SMART's for Python and JavaScript, fhir-kit-client,
Medplum's, and SMART Fetch, which signs in by itself and takes everything along."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from jwt.algorithms import ECAlgorithm

from exchange.api.export.produce import work_once
from exchange.api.serve import Address, serving
from exchange.model.ids import golden_id

pytestmark = pytest.mark.external

_MEDPLUM = """
import { MedplumClient } from '@medplum/core';
const [base, token, id] = process.argv.slice(2);
const baseUrl = base.replace(/fhir$/, '');
const client = new MedplumClient({ baseUrl, fhirUrlPath: 'fhir', cacheTime: 0, accessToken: token });
const told = {};
const patient = await client.readResource('Patient', id);
told.family = patient.name[0].family;
told.version = (await client.readVersion('Patient', id, patient.meta.versionId)).id === id;
told.history = (await client.readHistory('Patient', id)).entry.length;
told.pages = [];
for await (const page of client.searchResourcePages('Observation', { patient: id, _count: 2 }))
  told.pages.push(page.length);
told.included = (await client.search('Observation', { patient: id, _include: 'Observation:subject' }))
  .entry.filter((entry) => entry.search.mode === 'include').length;
told.everything = (await client.readPatientEverything(id)).entry.length;
told.summary = (await client.readPatientSummary(id)).type;
told.none = await client.searchOne('Patient', { family: 'Nobody' }) === undefined;
told.absent = await client.readResource('Patient', '00000000-0000-4000-8000-000000000000')
  .catch((error) => error.outcome.issue[0].code);
told.valid = (await client.validateResource({ resourceType: 'Patient', gender: 'female' })).issue[0].severity;
const member = [{ entity: { reference: `Patient/${id}` } }];
const made = await client.createResource({ resourceType: 'Group', type: 'person', actual: true, member });
const changed = await client.updateResource({ ...made, name: 'asthma' });
const kept = await client.readResource('Group', made.id);
told.panel = [made.meta.versionId, changed.meta.versionId, kept.name];
const polled = { pollStatusOnAccepted: true, pollStatusPeriod: 200 };
const exported = await client.bulkExport('', 'Observation', undefined, polled);
const file = await fetch(exported.output[0].url, { headers: { Authorization: `Bearer ${token}` } });
told.exported = (await file.text()).trim().split('\\n').length;
await client.deleteResource('Group', made.id);
console.log(JSON.stringify(told));
"""

_SMART = """
import smart from 'fhirclient';
const [base, token, id] = process.argv.slice(2);
const request = { headers: {}, get: () => undefined };
const tokenResponse = { access_token: token, patient: id };
const client = smart(request, {}, {}).client({ serverUrl: base, tokenResponse });
const told = {};
told.family = (await client.patient.read()).name[0].family;
const whole = { pageLimit: 0, flat: true };
told.pages = (await client.request(`Observation?patient=${id}&_count=2`, whole)).length;
const graph = { resolveReferences: 'subject', graph: false };
told.resolved = Object.keys((await client.request(`Observation?patient=${id}`, graph)).references).length;
told.release = await client.getFhirRelease();
told.version = await client.getFhirVersion();
const group = { resourceType: 'Group', type: 'person', actual: true };
const made = await client.create({ ...group, member: [{ entity: { reference: `Patient/${id}` } }] });
told.changed = (await client.update({ ...made, name: 'asthma' })).name;
told.absent = await client.request('Patient/absent').catch((error) => error.status ?? error.statusCode);
await client.delete(`Group/${made.id}`);
console.log(JSON.stringify(told));
"""

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
def served(service, patient, register):
    """Base URL of a server that listens, and the access token that it gave for a signed assertion."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at_home = replace(service, base_url=f"http://127.0.0.1:{port}")
    software = register("lakeside_hospital", scopes=["system/*.cruds"])
    form = software.form(software.assertion(aud=at_home.token_url), scope="system/*.cruds")
    over = threading.Event()
    worker = threading.Thread(target=lambda: [work_once(at_home) for _ in iter(lambda: over.wait(0.2), True)])
    worker.start()
    try:
        with serving(at_home, Address(port=port)):
            signed_in = requests.post(at_home.token_url, data=form, timeout=30)
            yield at_home.fhir_url, signed_in.json()["access_token"]
    finally:
        over.set()
        worker.join()


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


@pytest.fixture
def node(tmp_path, served, patient):
    """Runs a script with a package of npm, and gives what it tells of the served API."""
    if not shutil.which("npm"):
        pytest.skip("there is no Node here")

    def run(package, text):
        install = ["npm", "install", "--prefix", str(tmp_path), "--silent", package]
        if subprocess.run(install, check=False, capture_output=True, timeout=300).returncode:
            pytest.skip("the registry of npm does not answer")
        script = tmp_path / "ask.mjs"
        script.write_text(text, "utf-8")
        asked = ["node", str(script), *served, patient]
        done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_fhir_kit_client_reads_searches_pages_and_tells_history(node):
    assert node("fhir-kit-client@2", _KIT) == ["Kowalska", 5, "history", 1]


def test_medplums_client_reads_searches_keeps_a_panel_and_exports(node):
    assert node("@medplum/core@4", _MEDPLUM) == {
        "family": "Kowalska", "version": True, "history": 1, "pages": [2, 2, 1], "included": 1,
        "everything": 6, "summary": "document", "none": True, "absent": "not-found",
        "valid": "warning", "panel": ["1", "2", "asthma"], "exported": 5,
    }  # fmt: skip


def test_the_smart_client_for_javascript_reads_pages_resolves_and_keeps_a_panel(node):
    assert node("fhirclient@2", _SMART) == {
        "family": "Kowalska", "pages": 5, "resolved": 1, "release": 4, "version": "4.0.1",
        "changed": "asthma", "absent": 404,
    }  # fmt: skip


@pytest.fixture
def fetched(tmp_path, served, register):
    """Runs a subcommand of SMART Fetch, which asks for its tokens as SMART Backend Services; what it kept."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    own = tmp_path / "own"
    steps = [
        [uv, "venv", "-q", own],
        [uv, "pip", "install", "-q", "--python", own / "bin/python", "smart-fetch==1.0.3"],
    ]
    if not uv or any(subprocess.run(step, check=False, timeout=300).returncode for step in steps):
        pytest.skip("SMART Fetch is not to be had")
    plain = register("lakeside_hospital", client_id="crawler", purposes=["TREAT"], scopes=["system/*.cruds"])
    keys = tmp_path / "keys.jwks"
    private = serialization.load_pem_private_key(plain.private_key.encode(), None)
    jwk = ECAlgorithm(ECAlgorithm.SHA384).to_jwk(private, as_dict=True)
    keys.write_text(
        json.dumps({"keys": [{**jwk, "kid": plain.jwk["kid"], "alg": "ES384", "key_ops": ["sign"]}]})
    )

    def run(subcommand, *options):
        kept = tmp_path / subcommand
        known = ["--fhir-url", served[0], "--smart-client-id", plain.client_id, "--smart-key", keys]
        command = [own / "bin/smart-fetch", subcommand, *known, *options, kept]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        found = b"".join(gzip.decompress(file.read_bytes()) for file in kept.glob("*.ndjson.gz"))
        return Counter(json.loads(line)["resourceType"] for line in found.splitlines())

    return run


def test_smart_fetch_signs_in_and_takes_everything_along_in_bulk_and_by_crawling(fetched):
    """It sends no hl7-b2b extension: its client is registered for one purpose."""
    types = ("--type", "Patient,Observation", "--no-default-filters")
    assert fetched("bulk", *types) == {"Patient": 1, "Observation": 5}
    assert fetched("crawl", *types) == {"Patient": 1, "Observation": 5}

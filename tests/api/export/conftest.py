"""Bulk exports of a hospital: kicked off, worked on, fetched."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from exchange.api.export.produce import work_once

from .exporting import ASYNC, SCOPES


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def hospital(register):
    return register("lakeside_hospital", scopes=SCOPES.split())


@pytest.fixture
def get(ask, hospital, token_of):
    """Asks at an absolute or relative address, as the hospital unless another is named."""

    def send(url, *, who=None, method="GET", scope=None, **headers):
        who = who or hospital
        path = urlsplit(url)._replace(scheme="", netloc="").geturl().removeprefix("/fhir/")
        return ask(who, path, method=method, token=token_of(who, scope=scope or SCOPES), headers=headers)

    return send


@pytest.fixture
def export(get, service):
    """Kicks off, works, and gives the manifest."""

    def run(path="$export", **options):
        accepted = get(path, **ASYNC, **options)
        assert accepted.status_code == 202, accepted.text
        assert work_once(service)
        options = {name: value for name, value in options.items() if name != "scope"}
        answer = get(accepted.headers["content-location"], **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return run


@pytest.fixture
def download(get):
    def read(manifest, kind="output", **options):
        found = []
        for file in manifest[kind]:
            answer = get(file["url"], **options)
            assert answer.status_code == 200, answer.text
            lines = [json.loads(line) for line in answer.text.splitlines()]
            found += lines
        return found

    return read


@pytest.fixture
def people(records):
    """Two Patients with an Observation each, one more that is hidden from the hospital, and a directory."""
    one = records.patient("lakeside_hospital", "a1", name=[{"family": "Rivera"}])
    other = records.patient("prairie_clinic", "p1", name=[{"family": "Okafor"}])
    return {
        "one": one,
        "other": other,
        "glucose": records.observation("lakeside_hospital", one, "o1"),
        "hemoglobin": records.observation("prairie_clinic", other, "o2", code="718-7"),
        "hidden": records.observation("prairie_clinic", other, "o3", "HIV"),
        "clinic": records.organization("prairie_clinic", "Prairie"),
    }

"""Our own connector for Bulk Data pulls from our own API, over HTTP."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from exchange.api.serve import Address, serving
from exchange.connectors.fhir_bulk import connect_bulk
from exchange.connectors.options import FhirBulkOptions
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Document


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def served(service):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = Address(port=free.getsockname()[1])
    base = f"http://127.0.0.1:{address.port}"
    with serving(replace(service, base_url=base), address):
        yield base


def connector(base, software):
    """Another exchange that takes this one as its source."""
    options = {
        "url": f"{base}/fhir",
        "level": "Patient",
        "slice_lines": 2,
        "longest_wait_seconds": 0.2,
        "token": {
            "token_url": f"{base}/auth/token",
            "client_id": software.client_id,
            "key": software.private_key,
            "kid": software.jwk["kid"],
            "algorithm": "ES384",
            "b2b": software.b2b(),
        },
    }
    source = Partner(
        code="neighbour",
        namespace="https://neighbour.example/",
        organization=Organization(name="Neighbour", type="clinic"),
        agreement=Agreement(type="participation", signed="2026-01-01"),
        connector=Connector(type="fhir_bulk", options=options),
        feeds={"all": Feed(format="fhir_json", map="fhir", match="*")},
    )
    return connect_bulk(source, FhirBulkOptions.model_validate(options))


def pulled(connect, cursor=None):
    """Ids of what came, ids of what is gone, and the cursor after it."""
    lines, gone = [], []
    for item in connect(cursor):
        if isinstance(item, Document):
            (gone if item.deleted else lines).extend(map(json.loads, item.payload.splitlines()))
        else:
            cursor = item.cursor
    return lines, gone, cursor


def test_what_is_there_comes_and_then_what_changed(served, software, records):
    patient = records.patient("lakeside_hospital", "a1", name=[{"family": "Rivera"}])
    observations = {records.observation("lakeside_hospital", patient, f"o{n}") for n in range(5)}
    connect = connector(served, software)
    lines, _, cursor = pulled(connect)
    assert {r["id"] for r in lines if r["resourceType"] == "Observation"} == observations
    assert [r["resourceType"] for r in lines].count("Patient") == 1
    records.delete(f"Observation/{min(observations)}")
    _, (bundle,), after = pulled(connect, cursor)
    assert bundle["entry"][0]["request"]["url"] == f"Observation/{min(observations)}"
    assert after["since"] > cursor["since"]

"""Metrics have a door of their own, and count the same whether a record is hidden or absent."""

from __future__ import annotations

import pytest
import requests
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.metrics import Metrics

from .conftest import BASE_URL


@pytest.fixture
def database(emptied_database):
    return emptied_database


def counted(metrics):
    """Every count, without the times."""
    lines = metrics.text().splitlines()
    return [
        line for line in lines if not line.startswith("#") and "seconds" not in line and "created" not in line
    ]


def test_requesters_find_no_metrics(api):
    assert api.get("/metrics").status_code == 404


def test_the_operators_door_answers_on_its_own_address_only():
    metrics = Metrics()
    metrics.count("fhir", 200, 0.01)
    with metrics.served("127.0.0.1", 0) as port:
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    assert 'exchange_api_requests_total{endpoint="fhir",status="200"} 1.0' in text
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_hidden_and_absent_records_count_alike(service, records, register, token_of):
    hospital = register("lakeside_hospital")
    person = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])
    hidden = records.observation("prairie_clinic", person, "secret", "HIV")
    absent = "00000000-0000-5000-8000-000000000000"
    counts = []
    headers = {"Authorization": f"Bearer {token_of(hospital)}"}
    for key in (hidden, absent):
        metrics = Metrics()
        with TestClient(create_app(service, metrics), base_url=BASE_URL, headers=headers) as api:
            for path in (f"Observation/{key}", f"Observation?_id={key}", f"Patient/{key}/$everything"):
                api.get(f"/fhir/{path}")
        counts.append(counted(metrics))
    assert counts[0] == counts[1]
    assert 'exchange_api_requests_total{endpoint="fhir",status="404"} 2.0' in counts[0]
    assert hospital.client_id not in " ".join(counts[0])

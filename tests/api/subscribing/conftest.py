"""A hospital that subscribes, its receiver, and a worker that delivers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from exchange.delivery.parcel import Office
from exchange.delivery.sending import Post, deliver
from tests.api import conftest
from tests.delivery.receiver import Receiver

from .subscribing import LOCAL, SCOPES


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def service(service, monkeypatch):
    """Served on this machine, as in a demo: endpoints may be on it too."""
    monkeypatch.setattr(conftest, "BASE_URL", LOCAL)
    return replace(service, base_url=LOCAL, limits=replace(service.limits, subscriptions=3))


@pytest.fixture
def hospital(register):
    return register("lakeside_hospital", scopes=SCOPES)


@pytest.fixture
def inbox():
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def send(ask, hospital, token_of):
    """A request below /fhir/Subscription, as the hospital unless another is named."""

    def call(path="", method="GET", body=None, who=None, scope=""):
        token = token_of(who or hospital, scope=scope or " ".join(SCOPES))
        headers = {"Content-Type": "application/fhir+json"} if body else {}
        return ask(None, f"Subscription{path}", method=method, token=token, json=body, headers=headers)

    return call


@pytest.fixture
def work(database, context, signing_key, clock):
    """One turn of the delivery worker."""

    @contextmanager
    def connect():
        with psycopg.connect(database) as conn:
            yield conn

    office = Office(context, f"{LOCAL}/fhir", signing_key, str.title, clock)
    return lambda: dict(deliver(Post(connect, office, {})))


@pytest.fixture
def people(records):
    """A person with a chart at the hospital and one at the clinic, and another the clinic alone knows."""
    records.register()
    here, there = (records.patient(p, "1") for p in ("lakeside_hospital", "prairie_clinic"))
    records.link(here, there)
    records.conn.execute(
        "INSERT INTO relationship (participant, patient, basis, until)"
        " SELECT partner, patient, 'contribution', 'infinity' FROM patient ON CONFLICT DO NOTHING"
    )
    records.conn.commit()
    return {"shared": there, "strange": records.patient("prairie_clinic", "2")}

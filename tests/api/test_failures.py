"""When the database cannot do its part, nothing leaves and nothing is told."""

from __future__ import annotations

import logging
from datetime import timedelta

import psycopg
import pytest

from exchange.model.ids import golden_id


@pytest.fixture
def person(records):
    fhir_id = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])
    records.observation("prairie_clinic", fhir_id, "open")
    return fhir_id


@pytest.mark.parametrize(
    "path", ["Patient/{golden}", "Observation", "Patient/{golden}/$everything", "Patient/7"]
)
def test_without_its_record_nothing_leaves(ask, hospital, database, person, path, token_of):
    token = token_of(hospital)
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE audit_event ADD CONSTRAINT disk_full CHECK (kind LIKE 'token%')")
    answer = ask(hospital, path.format(golden=golden_id(person)), token=token)
    assert answer.status_code == 503
    assert answer.json()["issue"][0]["code"] == "transient"
    assert "Kowalska" not in answer.text


def test_a_clock_set_back_gives_nothing_until_it_is_right_again(ask, hospital, person, clock, token_of):
    token = token_of(hospital)
    assert ask(hospital, "Observation", token=token).status_code == 200
    clock.shift = -timedelta(minutes=2)
    behind = ask(hospital, "Observation", token=token)
    assert (behind.status_code, behind.headers["retry-after"]) == (503, "5")
    clock.shift = timedelta(0)
    assert ask(hospital, "Observation", token=token).status_code == 200


def test_a_token_that_cannot_be_recorded_is_not_issued(api, database, hospital):
    with psycopg.connect(database) as conn:
        conn.execute("REVOKE EXECUTE ON FUNCTION audit_append FROM exchange_api")
    answer = api.post("/auth/token", data=hospital.form())
    assert answer.status_code == 503
    assert "access_token" not in answer.text


def test_an_error_of_ours_is_told_without_its_text(ask, hospital, database, token_of, caplog):
    token = token_of(hospital)
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE resource RENAME COLUMN body TO kowalska")
    with caplog.at_level(logging.DEBUG):
        answer = ask(hospital, "Patient?family=Kowalska", token=token)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (500, "exception")
    assert "kowalska" not in (answer.text + caplog.text.replace("family=Kowalska", "")).lower()
    assert "UndefinedColumn" in caplog.text

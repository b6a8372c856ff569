"""A Consent that comes before its Patient binds the moment the Patient comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.app import Exchange
from exchange.pipeline import quarantine, upkeep
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import held, make_pantry, open_pantry
from tests.pipeline.test_whole_runs import consent, one, run_clinic


@pytest.fixture
def records(tmp_path: Path) -> Path:
    make_pantry(tmp_path)
    return tmp_path / "records"


def waiting(exchange: Exchange) -> list[str]:
    with exchange.work.connect() as connection:
        return [f.detail for f in quarantine.open_findings(connection, "elm_clinic", 10)]


def test_an_opt_out_of_yesterdays_run_keeps_todays_patient_out(records, tmp_path, database):
    exchange = open_pantry(tmp_path, database)
    write_ndjson(records / "1.ndjson", [consent()])
    run_clinic(exchange)
    assert waiting(exchange) == ["the Patient it is about was never sent"]
    write_ndjson(records / "2.ndjson", [patient(1), observation(1, of=1), patient(2)])
    run_clinic(exchange)
    assert (held(exchange, "Patient"), held(exchange, "Observation")) == (1, 0)
    assert one(exchange, "SELECT count(*) FROM resource_history") == 0
    assert one(exchange, "SELECT count(*) FROM waiting_directive") == 0


def test_upkeep_takes_the_early_consent_again_once(records, tmp_path, database):
    exchange = open_pantry(tmp_path, database)
    write_ndjson(records / "1.ndjson", [consent()])
    run_clinic(exchange)
    assert upkeep.readmit(exchange.work) == {}
    write_ndjson(records / "2.ndjson", [patient(1)])
    run_clinic(exchange)
    assert upkeep.readmit(exchange.work) == {"elm_clinic": 1}
    assert waiting(exchange) == []
    assert upkeep.readmit(exchange.work) == {}


@pytest.mark.parametrize("later", ["inactive", "entered-in-error"])
def test_an_early_opt_out_that_was_withdrawn_before_the_patient_came_binds_nobody(
    later, records, tmp_path, database
):
    exchange = open_pantry(tmp_path, database)
    write_ndjson(records / "1.ndjson", [consent()])
    run_clinic(exchange)
    write_ndjson(records / "2.ndjson", [consent(later)])
    run_clinic(exchange)
    write_ndjson(records / "3.ndjson", [patient(1), observation(1, of=1)])
    run_clinic(exchange)
    assert (held(exchange, "Patient"), held(exchange, "Observation")) == (1, 1)
    assert one(exchange, "SELECT count(*) FROM audit_event WHERE kind = 'consent.changed'") == 2


def test_a_consent_and_its_patient_in_one_run_bind_whatever_comes_first(records, tmp_path, database):
    exchange = open_pantry(tmp_path, database)
    others = [patient(n) for n in range(2, 90)]
    write_ndjson(records / "1.ndjson", [consent(), *others, observation(1, of=1), patient(1)])
    run_clinic(exchange)
    assert (held(exchange, "Patient"), held(exchange, "Observation")) == (88, 0)

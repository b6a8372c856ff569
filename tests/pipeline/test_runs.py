"""What later runs make of the same, changed and tampered records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exchange.app import Exchange, balance, find_partner
from exchange.pipeline.balance import Balance, RunOutOfBalance
from exchange.pipeline.steps import finish_run, pull_step, run_partner
from tests.pipeline.coalition import observation, open_clinic, patient, write_ndjson


@pytest.fixture
def exchange(tmp_path: Path, database: str) -> Exchange:
    return open_clinic(tmp_path, database)


def send(exchange: Exchange, name: str, resources: list[dict[str, object]]) -> None:
    write_ndjson(exchange.settings.home / "records" / name, resources)


def appointment(key: str, *patients: int) -> dict[str, object]:
    people = [{"actor": {"reference": f"Patient/p{n}"}, "status": "accepted"} for n in patients]
    return {"resourceType": "Appointment", "id": key, "status": "proposed", "participant": people}


def run(exchange: Exchange) -> Balance:
    done = run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    return balance(exchange, done.run)


def test_records_sent_again_are_unchanged(exchange: Exchange) -> None:
    send(exchange, "1.ndjson", [patient(1), observation(1, of=1)])
    run(exchange)
    send(exchange, "2.ndjson", [patient(1), observation(1, of=1)])
    assert run(exchange).records["unchanged"] == 3


def test_a_changed_record_is_a_new_version_and_one_more_row_of_history(exchange: Exchange) -> None:
    query = "SELECT count(*), max(version) FROM resource_history WHERE type = 'Observation'"
    send(exchange, "1.ndjson", [patient(1), observation(1, of=1)])
    run(exchange)
    with exchange.work.connect() as connection:
        before = connection.execute(query).fetchone()
    send(exchange, "2.ndjson", [observation(1, of=1, value=7.5)])
    run(exchange)
    with exchange.work.connect() as connection:
        after = connection.execute(query).fetchone()
        version = connection.execute("SELECT version FROM resource WHERE type = 'Observation'").fetchone()
    assert before is not None
    assert after is not None
    assert (after[0] - before[0], version) == (1, (2,))


def test_a_record_sent_twice_in_one_run_is_a_duplicate(exchange: Exchange) -> None:
    send(exchange, "1.ndjson", [patient(1), patient(1)])
    assert run(exchange).records["duplicate"] == 1


def test_an_appointment_is_a_record_of_the_patient_it_is_with(exchange: Exchange) -> None:
    """A group's is a record of nobody in it, and kept out."""
    send(exchange, "1.ndjson", [patient(1), patient(2), appointment("one", 1), appointment("group", 1, 2)])
    assert run(exchange).records["withheld"] == 1
    with exchange.work.connect() as connection:
        stored = connection.execute(
            "SELECT p.fhir_id::text, r.body FROM resource r LEFT JOIN patient p USING (patient)"
            " WHERE r.type = 'Appointment'"
        ).fetchall()
    ((about, body),) = stored
    assert json.loads(body)["participant"][0]["actor"]["reference"] == f"Patient/{about}"


def test_a_run_with_a_missing_record_does_not_balance(exchange: Exchange) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    send(exchange, "1.ndjson", [patient(1), patient(2)])
    number = pull_step(exchange.work, partner)
    with exchange.work.connect() as connection:
        connection.execute("DELETE FROM source_record WHERE run = %s AND key = 'Patient/p2'", [number])
        connection.commit()
    with pytest.raises(RunOutOfBalance):
        finish_run(exchange.work, partner, number)

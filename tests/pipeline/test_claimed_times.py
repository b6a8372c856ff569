"""A time still to come is not believed: it would keep out what comes after it, a revocation above all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.app import Exchange
from exchange.model.records import SourceRecord
from exchange.pipeline.claimed_times import not_after
from exchange.pipeline.ledger import Arrival
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import held, make_pantry, open_pantry
from tests.pipeline.test_whole_runs import consent, one, run_clinic

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def arrival(key: str, time: datetime | None) -> Arrival:
    return Arrival(SourceRecord("clinic", "records", key, "fhir_json", b"{}", key, event_time=time), b"")


def test_times_to_come_are_just_now_in_their_order_and_no_other_changes() -> None:
    given = {
        "past": NOW - timedelta(days=1),
        "none": None,
        "far": datetime(2062, 1, 1, tzinfo=UTC),
        "near": NOW + timedelta(seconds=1),
        "far again": datetime(2062, 1, 1, tzinfo=UTC),
        "now": NOW,
    }
    found = {
        one.record.key: one.record.event_time for one in not_after([arrival(*i) for i in given.items()], NOW)
    }
    assert found["far"] == found["far again"] == NOW
    near = found["near"]
    assert near is not None
    assert NOW - timedelta(seconds=1) < near < NOW
    assert {name: found[name] for name in ("past", "none", "now")} == {
        name: given[name] for name in ("past", "none", "now")
    }


@pytest.fixture
def records(tmp_path: Path) -> Path:
    make_pantry(tmp_path)
    return tmp_path / "records"


def said(resource: dict[str, object], at: datetime) -> dict[str, object]:
    return {**resource, "meta": {"lastUpdated": at.isoformat()}}


def sent(exchange: Exchange, records: Path, name: str, *resources: dict[str, object]) -> None:
    write_ndjson(records / f"{name}.ndjson", list(resources))
    run_clinic(exchange)


def test_an_opt_out_is_heard_after_a_state_of_it_from_a_clock_that_ran_ahead(
    records: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database)
    ahead = datetime.now(UTC) + timedelta(days=400)
    sent(exchange, records, "1", patient(1), observation(1, of=1), said(consent("inactive"), ahead))
    assert held(exchange, "Observation") == 1
    sent(exchange, records, "2", said(consent(), datetime.now(UTC)))
    assert held(exchange, "Observation") == 0


def test_a_correction_is_taken_after_a_mistyped_year_and_care_does_not_last_longer(
    records: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database)
    ahead = datetime(2206, 3, 1, tzinfo=UTC)
    sent(exchange, records, "1", patient(1), said(observation(1, of=1), ahead))
    sent(exchange, records, "2", said(observation(1, of=1, value=7.5), datetime.now(UTC)))
    body = one(exchange, "SELECT convert_from(body, 'UTF8')::jsonb FROM resource WHERE type = 'Observation'")
    assert isinstance(body, dict)
    assert body["valueQuantity"]["value"] == 7.5
    assert one(exchange, "SELECT count(*) FROM relationship WHERE until > now() + interval '1095 days'") == 0
    assert one(exchange, "SELECT count(*) FROM relationship") == 1

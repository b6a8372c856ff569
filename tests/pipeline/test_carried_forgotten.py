"""What is carried over from messages goes with the messages, and with the person who opts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.app import Exchange
from exchange.app.records.lineage import trace
from exchange.model.records import SourceRecord
from exchange.pipeline import upkeep
from exchange.pipeline.carry import note_stated
from exchange.pipeline.ledger import Arrival
from tests.pipeline.coalition import write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry, run, write
from tests.pipeline.test_message_runs import MESSAGES
from tests.pipeline.test_message_updates import ADDRESS, PHONE, message, state
from tests.pipeline.test_whole_runs import consent, one, run_clinic

# The same person at another partner, where the opt-out is signed.
ELSEWHERE = {
    "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-01-02",
    "name": [{"family": "Sample", "given": ["Robin"]}],
    "telecom": [{"system": "phone", "value": "+12175550100"}],
    "address": [{"line": ["1 Elm"], "city": "Springfield", "state": "IL", "postalCode": "62701"}],
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return make_pantry(tmp_path)


def carried(exchange: Exchange) -> object:
    return one(exchange, "SELECT count(*) FROM carried")


def test_nothing_is_carried_over_of_whom_opts_out_until_the_opt_out_ends(
    files: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, phone=PHONE, address=ADDRESS))
    write(files, "2.hl7", message(2))
    run(exchange)
    assert carried(exchange) == 2
    write_ndjson(tmp_path / "records/1.ndjson", [ELSEWHERE])
    run_clinic(exchange)
    write_ndjson(tmp_path / "records/2.ndjson", [consent()])
    run_clinic(exchange)
    assert ("Patient" in state(exchange), carried(exchange)) == (False, 0)
    write(files, "3.hl7", message(3))
    run(exchange)
    assert ("Patient" in state(exchange), carried(exchange)) == (False, 0)
    write_ndjson(tmp_path / "records/3.ndjson", [consent("inactive")])
    run_clinic(exchange)
    upkeep.readmit(exchange.work)
    phones = [person.get("telecom", [{}])[0].get("value", "") for person in state(exchange)["Patient"]]
    assert (len(phones), all(phone.endswith("2175550100") for phone in phones)) == (2, True)
    assert carried(exchange) == 2


def test_it_goes_with_the_last_message_and_with_one_that_is_deleted(
    files: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, phone=PHONE))
    run(exchange)
    write(files, "2.hl7", message(2))
    run(exchange)
    explained = trace(exchange, str(one(exchange, "SELECT max(record) FROM source_record")))
    first = one(exchange, "SELECT min(record) FROM source_record WHERE feed = 'messages'")
    assert explained.filled == [("PID-13", "2026-03-01T12:00:00-06:00", first)]
    assert any(element.startswith("Patient.telecom") for element, *_ in explained.values)
    assert upkeep.expire(exchange.work)["pantry"] == 0
    assert carried(exchange) == 2
    later = open_pantry(tmp_path, database, MESSAGES, now=lambda: datetime.now(UTC) + timedelta(days=366))
    upkeep.expire(later.work)
    assert carried(exchange) == 0


def test_a_message_that_is_deleted_states_nothing(files: Path, tmp_path: Path, database: str) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, phone=PHONE))
    write(files, "2.hl7", message(2))
    run(exchange)
    partner = exchange.partners["pantry"]
    key = str(one(exchange, "SELECT key FROM source_record WHERE feed = 'messages' ORDER BY record LIMIT 1"))
    gone = SourceRecord("pantry", "messages", key, "hl7v2", b"", "1.hl7", deleted=True)
    with exchange.work.connect() as connection:
        assert note_stated(exchange.work, connection, partner, 0, [Arrival(gone, b"")]) == []
        connection.commit()
    assert carried(exchange) == 0

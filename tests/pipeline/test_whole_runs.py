"""What a record no longer says is deleted, what says little overwrites nothing, who opts out is taken out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.app import Exchange, find_partner
from exchange.pipeline import quarantine, upkeep
from exchange.pipeline.steps import run_partner
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import PARTNER, held, make_pantry, open_pantry, run, write

PEOPLE = "id,name,born\n" + "".join(f"{n},Name{n},\n" for n in range(1, 5))
VISIT = "id,person,day,size\n"
MESSAGES = PARTNER.replace(
    "feeds:\n", 'feeds:\n  messages: {{format: hl7v2, map: _shared/maps/hl7v2.map.yaml, match: "*.hl7"}}\n'
)
HEAD = "MSH|^~\\&|LAB|PANTRY|||20260301080000||{kind}|{control}|P|2.5.1\r"
KNOWN = (
    "PID|1||7^^^PANTRY&1.2.3.4&ISO^MR||Sample^Robin||19800102|F|||1 Main St^^Springfield^IL^62701\rPV1|1|O\r"
)
LITTLE = (
    "PID|1||7^^^PANTRY&1.2.3.4&ISO^MR||Sample\r"
    "OBR|1||F1^LAB|4548-4^A1c^LN|||20260301080000||||||||||||||||||F\r"
    "OBX|1|NM|4548-4^A1c^LN||5.5|%|||||F|||20260301080000\r"
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return make_pantry(tmp_path)


def one(exchange: Exchange, query: str) -> object:
    with exchange.work.connect() as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def test_what_a_record_makes_no_longer_is_deleted(files: Path, tmp_path: Path, database: str) -> None:
    write(files, "people_1.csv", PEOPLE)
    write(files, "visits_1.csv", f"{VISIT}1,1,2026-01-02,3\n2,1,2026-01-02,4\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    assert held(exchange, "Observation") == 2
    write(files, "visits_2.csv", f"{VISIT}1,1,2026-01-02,\n")
    again = run(exchange)
    assert (again.records["quarantined"], again.resources["deleted"]) == (0, 1)
    assert held(exchange, "Observation") == 1


def test_what_a_record_came_to_make_later_is_deleted_too(files: Path, tmp_path: Path, database: str) -> None:
    write(files, "people_1.csv", PEOPLE)
    exchange = open_pantry(tmp_path, database)
    for number, (size, observations) in enumerate((("", 0), ("3", 1), ("", 0))):
        write(files, f"visits_{number}.csv", f"{VISIT}1,1,2026-01-02,{size}\n")
        run(exchange)
        assert (held(exchange, "Encounter"), held(exchange, "Observation")) == (1, observations)


def test_what_another_record_still_claims_stays(files: Path, tmp_path: Path, database: str) -> None:
    write(files, "people_1.csv", PEOPLE)
    write(files, "1.hl7", HEAD.format(kind="ORU^R01", control="1") + LITTLE)
    write(files, "2.hl7", HEAD.format(kind="ORU^R01", control="2") + LITTLE.replace("4548-4", "2345-7"))
    exchange = open_pantry(tmp_path, database, MESSAGES)
    run(exchange)
    assert held(exchange, "Patient") == 5
    write(files, "3.hl7", HEAD.format(kind="ORU^R01", control="1") + LITTLE.replace("F1^LAB", "F2^LAB"))
    run(exchange)
    assert held(exchange, "Patient") == 5


def test_a_record_that_cannot_be_read_any_more_deletes_nothing(
    files: Path, tmp_path: Path, database: str
) -> None:
    write(files, "people_1.csv", PEOPLE)
    write(files, "visits_1.csv", f"{VISIT}1,1,2026-01-02,3\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    write(files, "visits_2.csv", f"{VISIT}1,1,2026-01-02,many\n")
    assert "deleted" not in run(exchange).resources
    assert held(exchange, "Observation") == 1


def test_who_is_missing_from_the_next_snapshot_is_deleted(files: Path, tmp_path: Path, database: str) -> None:
    write(files, "people_1.csv", PEOPLE)
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    write(files, "people_2.csv", PEOPLE.replace("2,Name2,\n", ""))
    assert run(exchange).records["deleted"] == 1
    assert held(exchange, "Patient") == 3


@pytest.mark.parametrize("content", ["id,name,born\n", "id,name,born\n99,Other,\n"])
def test_an_emptied_or_exchanged_snapshot_deletes_nobody_and_waits_with_its_reason(
    content: str, files: Path, tmp_path: Path, database: str
) -> None:
    write(files, "people_1.csv", PEOPLE)
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    write(files, "people_2.csv", content)
    second = run(exchange)
    with exchange.work.connect() as connection:
        found = quarantine.open_findings(connection, "pantry", 10)
    assert (second.records["deleted"], second.records["quarantined"]) == (0, 1)
    assert [finding.code for finding in found] == ["incomplete"]
    assert held(exchange, "Patient") >= 4


@pytest.mark.parametrize("order", [("A04", "R01"), ("R01", "A04")])
def test_a_result_message_never_overwrites_what_is_known_of_the_person(
    order: tuple[str, str], files: Path, tmp_path: Path, database: str
) -> None:
    texts = {
        "A04": HEAD.format(kind="ADT^A04", control="1") + KNOWN,
        "R01": HEAD.format(kind="ORU^R01", control="2") + LITTLE,
    }
    exchange = open_pantry(tmp_path, database, MESSAGES)
    for number, kind in enumerate(order):
        write(files, f"{number}.hl7", texts[kind])
        assert run(exchange).balanced
    body = one(exchange, "SELECT convert_from(body, 'UTF8')::jsonb FROM resource WHERE type = 'Patient'")
    assert isinstance(body, dict)
    assert (body["birthDate"], body["name"][0]["given"]) == ("1980-01-02", ["Robin"])
    assert held(exchange, "Observation") == 1


def consent(status: str = "active", end: datetime | None = None) -> dict[str, object]:
    opt_out = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}
    scope = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        ]
    }
    period = {"period": {"start": "2026-01-01", "end": end.isoformat()}} if end else {}
    return {
        "resourceType": "Consent", "id": "k1", "status": status, "scope": scope, "category": [opt_out],
        "patient": {"reference": "Patient/p1"}, "dateTime": "2026-01-01T08:00:00Z",
        "policyRule": opt_out, "provision": {"type": "deny", **period},
    }  # fmt: skip


def run_clinic(exchange: Exchange) -> None:
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))


def test_who_opts_out_is_taken_out_and_comes_back_when_the_opt_out_is_withdrawn(
    files: Path, tmp_path: Path, database: str
) -> None:
    records = tmp_path / "records"
    write_ndjson(records / "1.ndjson", [patient(1), patient(2), observation(1, of=1), observation(2, of=2)])
    exchange = open_pantry(tmp_path, database)
    run_clinic(exchange)
    write_ndjson(records / "1b.ndjson", [observation(1, of=1, value=7.5)])
    run_clinic(exchange)
    history = "SELECT count(*) FROM resource_history WHERE type = 'Observation'"
    assert one(exchange, history) == 1
    write_ndjson(records / "2.ndjson", [consent()])
    run_clinic(exchange)
    assert (held(exchange, "Patient"), held(exchange, "Observation")) == (1, 1)
    assert one(exchange, history) == 0
    write_ndjson(records / "3.ndjson", [observation(3, of=1)])
    run_clinic(exchange)
    assert held(exchange, "Observation") == 1
    write_ndjson(records / "4.ndjson", [consent("inactive")])
    run_clinic(exchange)
    assert upkeep.readmit(exchange.work) == {"elm_clinic": 3}
    assert (held(exchange, "Patient"), held(exchange, "Observation")) == (2, 3)
    assert upkeep.readmit(exchange.work) == {}


def test_an_opt_out_that_ends_by_itself_lets_the_person_in_again(
    files: Path, tmp_path: Path, database: str
) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    write_ndjson(tmp_path / "records/1.ndjson", [patient(1), observation(1, of=1), consent(end=soon)])
    exchange = open_pantry(tmp_path, database)
    run_clinic(exchange)
    assert held(exchange, "Observation") == 0
    assert upkeep.readmit(exchange.work) == {}
    later = open_pantry(tmp_path, database, now=lambda: soon + timedelta(days=1))
    assert upkeep.readmit(later.work) == {"elm_clinic": 3}
    assert held(later, "Observation") == 1

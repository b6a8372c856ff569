"""What becomes of a finding is the partner's choice: told with the resource, or a reason to keep it out."""

from __future__ import annotations

from pathlib import Path

import psycopg

from exchange.app import Exchange, find_partner, replay_quarantine
from exchange.pipeline.quarantine import consents_waiting
from tests.pipeline.pantry import PARTNER, PEOPLE, held, make_pantry, open_pantry, run, write

PROFILED = PEOPLE.replace("    id: id\n", "    id: id\n    profile: us-core-patient\n").replace(
    "      birthDate:", '      gender: sex | match("^(?:female|male)$")\n      birthDate:'
)
ROWS = "id,name,born,sex\n1,Ann,01/02/1980,female\n2,Bo,1980.02.01,male\n3,Cy,01/02/1980,\n"


def taken(folder: Path, database: str, setting: str) -> Exchange:
    write(make_pantry(folder), "people_1.csv", ROWS)
    write(folder, "home/mappings/pantry/people.map.yaml", PROFILED)
    return open_pantry(folder, database, f"{PARTNER}{setting}\n")


def findings(exchange: Exchange) -> list[tuple[str, str, str]]:
    with exchange.work.connect() as connection:
        return connection.execute("SELECT severity, code, expression FROM quarantine").fetchall()


def test_a_finding_travels_with_the_resource_unless_the_partner_holds_it_back(
    tmp_path: Path, database: str
) -> None:
    exchange = taken(tmp_path, database, "")
    done = run(exchange)
    assert (done.records["quarantined"], held(exchange, "Patient")) == (0, 3)
    assert done.balanced
    assert ("warning", "required", "Patient") in findings(exchange)
    assert ("error", "value", "Patient.birthDate") in findings(exchange)


def test_a_missing_us_core_element_keeps_a_resource_out_where_the_partner_says_so(
    tmp_path: Path, database: str
) -> None:
    exchange = taken(tmp_path, database, "quarantine: [required]")
    done = run(exchange)
    assert done.balanced
    assert done.records["quarantined"] == 1
    assert held(exchange, "Patient") == 2
    assert ("error", "required", "Patient") in findings(exchange)


def test_an_unreadable_value_keeps_a_resource_out_where_the_partner_says_so(
    tmp_path: Path, database: str
) -> None:
    exchange = taken(tmp_path, database, "quarantine: [value]")
    done = run(exchange)
    assert done.balanced
    assert done.records["quarantined"] == 1
    assert held(exchange, "Patient") == 2


def test_once_the_setting_is_taken_back_the_record_can_be_replayed(tmp_path: Path, database: str) -> None:
    run(taken(tmp_path, database, "quarantine: [required]"))
    lenient = open_pantry(tmp_path, database, PARTNER)
    replay_quarantine(lenient, find_partner(lenient.partners, "pantry"))
    assert held(lenient, "Patient") == 3


def test_consents_that_are_not_computable_are_gone_through_from_the_newest(
    tmp_path: Path, database: str
) -> None:
    run(taken(tmp_path, database, "quarantine: [required, value]"))
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE quarantine SET severity = 'error', expression = 'Consent.provision'")
        first = consents_waiting(connection, None, 1)
        rest = consents_waiting(connection, first[0].record, 9)
        assert first[0].record > max(finding.record for finding in rest)
        assert consents_waiting(connection, min(finding.record for finding in rest), 9) == []

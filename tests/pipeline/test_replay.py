"""What was rejected comes back after a fix, from the landed bytes, and an old state never does."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from exchange.app import Exchange, balance, find_partner, replay_quarantine
from exchange.pipeline import quarantine
from exchange.pipeline.balance import Balance
from exchange.pipeline.steps import finish_run, pull_step
from tests.pipeline.pantry import PARTNER, PEOPLE, held, make_pantry, open_pantry, run, write

HEADER = "id,name,born\n"
LATIN = PARTNER.replace("    key: [id]\n    snapshot: true\n", "    key: [id]\n    encoding: cp1252\n")
PLAIN = PARTNER.replace("    snapshot: true\n", "")
SEMICOLONS = PARTNER.replace(
    '    match: "people_*.csv"', '    match: "people_*.csv"\n    options: {{delimiter: ";"}}'
)


def replay(exchange: Exchange) -> Balance:
    return balance(exchange, replay_quarantine(exchange, find_partner(exchange.partners, "pantry"))[-1])


def reasons(exchange: Exchange) -> list[str]:
    with exchange.work.connect() as connection:
        return [finding.detail for finding in quarantine.open_findings(connection, "pantry", 100)]


def names(exchange: Exchange) -> set[str]:
    query = (
        "SELECT convert_from(body, 'UTF8')::jsonb #>> '{name,0,text}' FROM resource WHERE type = 'Patient'"
    )
    with exchange.work.connect() as connection:
        return {row[0] for row in connection.execute(query)}


def test_a_file_in_another_encoding_is_taken_again_once_partner_yaml_names_it(
    tmp_path: Path, database: str
) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Nuñez,01/02/1980\n2,Ortiz,\n".encode("cp1252"))
    exchange = open_pantry(tmp_path, database)
    assert run(exchange).records["quarantined"] == 1
    (tmp_path / "files/people_1.csv").unlink()  # the partner need not send it again
    fixed = open_pantry(tmp_path, database, LATIN)
    assert replay(fixed).records["published"] == 2
    assert names(fixed) == {"Nuñez", "Ortiz"}
    assert reasons(fixed) == []


def test_rows_cut_at_the_wrong_delimiter_are_cut_again(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", "id;name;born\n1;Ann;01/02/1980\n2;Bo;\n")
    assert run(open_pantry(tmp_path, database)).records["quarantined"] == 2
    fixed = open_pantry(tmp_path, database, SEMICOLONS)
    assert replay(fixed).records["published"] == 2
    assert reasons(fixed) == []


def test_what_is_still_no_record_goes_back_to_quarantine_and_is_listed_once(
    tmp_path: Path, database: str
) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,01/02/1980\n2,Bo\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    again = replay(exchange)
    assert (again.pulled, again.records["unchanged"], again.records["quarantined"]) == (2, 1, 1)
    assert again.balanced
    assert len(reasons(exchange)) == 1


def test_a_value_that_a_corrected_map_can_read_is_taken_again(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,1980.02.01\n2,Bo,01/02/1980\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    assert len(reasons(exchange)) == 1
    corrected = PEOPLE.replace('date("%m/%d/%Y")', 'date("%m/%d/%Y", "%Y.%d.%m")')
    write(tmp_path, "home/mappings/pantry/people.map.yaml", corrected)
    fixed = open_pantry(tmp_path, database)
    assert replay(fixed).records["published"] == 1
    assert reasons(fixed) == []
    assert held(fixed, "Patient") == 2


def test_an_old_document_brings_no_old_state_back(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", "id;name;born\n1;Old;\n2;Bo;\n")
    run(open_pantry(tmp_path, database, PLAIN))
    write(tmp_path / "files", "people_2.csv", f"{HEADER}1,New,\n")
    run(open_pantry(tmp_path, database, PLAIN))
    fixed = open_pantry(tmp_path, database, SEMICOLONS.replace("    snapshot: true\n", ""))
    again = replay(fixed)
    assert (again.records["published"], again.records["unchanged"]) == (1, 1)
    assert names(fixed) == {"New", "Bo"}


def test_an_old_snapshot_brings_nobody_back_who_has_left(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Gone,\n4,Di,\n2,Bo\n")
    run(open_pantry(tmp_path, database))
    write(tmp_path / "files", "people_2.csv", f"{HEADER}2,Bo,\n3,Cy,\n4,Di,\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    assert names(exchange) == {"Bo", "Cy", "Di"}
    assert replay(exchange).records["published"] == 0
    assert names(exchange) == {"Bo", "Cy", "Di"}
    assert reasons(exchange) == []


def test_a_first_snapshot_that_could_not_be_read_does_not_make_the_next_one_look_emptied(
    tmp_path: Path, database: str
) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Nuñez,\n".encode("cp1252"))
    run(open_pantry(tmp_path, database))
    write(tmp_path / "files", "people_2.csv", f"{HEADER}1,Nuñez,\n")
    second = run(open_pantry(tmp_path, database))
    assert (second.records["published"], second.records["quarantined"], second.records["deleted"]) == (
        1,
        0,
        0,
    )


def test_a_record_that_came_right_later_waits_no_longer(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,1980.02.01\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    assert len(reasons(exchange)) == 1
    write(tmp_path / "files", "people_2.csv", f"{HEADER}1,Ann,02/01/1980\n")
    run(exchange)
    assert reasons(exchange) == []


def test_a_replay_with_nothing_waiting_pulls_nothing(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,\n")
    exchange = open_pantry(tmp_path, database)
    assert replay(exchange).pulled == 0
    assert held(exchange, "Patient") == 0


def test_a_replay_finishes_an_interrupted_run_first(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,1980.02.01\n")
    exchange = open_pantry(tmp_path, database)
    partner = find_partner(exchange.partners, "pantry")
    interrupted = pull_step(exchange.work, partner)
    runs = replay_quarantine(exchange, partner)
    assert runs[0] == interrupted
    assert balance(exchange, runs[1]).records["quarantined"] == 1


def test_records_no_longer_kept_stay_waiting_and_block_nothing(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,1980.02.01\n2,Bo\n")
    exchange = open_pantry(tmp_path, database)
    run(exchange)
    exchange.work.landing.expire("pantry", date(2999, 1, 1))
    assert replay(exchange).pulled == 0
    assert len(reasons(exchange)) == 2


def test_a_payload_lost_before_it_was_mapped_is_quarantined_by_name_and_the_run_ends(
    tmp_path: Path, database: str
) -> None:
    write(make_pantry(tmp_path), "people_1.csv", f"{HEADER}1,Ann,\n")
    exchange = open_pantry(tmp_path, database)
    partner = find_partner(exchange.partners, "pantry")
    number = pull_step(exchange.work, partner)
    exchange.work.landing.expire("pantry", date(2999, 1, 1))
    finish_run(exchange.work, partner, number)
    assert balance(exchange, number).records["quarantined"] == 2
    assert "retention_days" in reasons(exchange)[0]


def test_a_feed_that_is_declared_no_more_does_not_block_a_replay(tmp_path: Path, database: str) -> None:
    write(make_pantry(tmp_path), "visits_1.csv", "id,person,day,size\n1,1,2026-01-02,many\n2,1\n")
    run(open_pantry(tmp_path, database))
    without = PARTNER[: PARTNER.index("  visits:")]
    fixed = open_pantry(tmp_path, database, without)
    assert replay(fixed).records["quarantined"] == 1
    assert any("`visits`" in reason for reason in reasons(fixed))

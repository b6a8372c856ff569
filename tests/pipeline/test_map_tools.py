"""What the maps leave and what a change of them does, on records that really went through."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.app import Exchange, find_partner, open_exchange
from exchange.app.records.coding import add_row, worklist
from exchange.app.records.differing import difference, old_mappings
from exchange.app.records.lineage import trace
from exchange.app.records.reporting import report
from exchange.content import read_tree
from exchange.model.errors import ContentError, RecordRejected
from exchange.pipeline.steps import run_partner
from exchange.pipeline.upkeep import replay_records
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home

PARTNER = """\
namespace: https://elm-clinic.example/
organization: {{name: Elm Clinic, type: clinic, npi: "1999999901", covered_entity: true}}
agreement: {{type: BAA, signed: 2020-01-01}}
connector: {{type: folder, options: {{path: {folder}, settle_seconds: 0}}}}
feeds:
  people: {{format: delimited, map: people.map.yaml, match: "*.csv", key: [ID]}}
"""
MAP = """\
format: delimited
entries:
  patient:
    resource: Patient
    id: ID
    profile: us-core-patient
    set:
      identifier: {system: =https://elm-clinic.example/id, value: ID}
      name: {family: Name, given: First}
      gender: 'Sex | code("gender")'
"""
ROWS = """\
ID,Name,First,Sex,Needs
1,Ash,Ann,FEM,food
2,Birch,Bob,M,
3,Cedar,Cy,FEM,rent
4,Dogwood,Di,a woman,
"""
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = make_home(tmp_path, tmp_path / "records")
    clinic = found / "mappings/elm_clinic"
    (clinic / "partner.yaml").write_text(PARTNER.format(folder=tmp_path / "records"))
    (clinic / "people.map.yaml").write_text(MAP)
    (tmp_path / "records").mkdir()
    (tmp_path / "records/people.csv").write_text(ROWS)
    return found


def opened(home: Path, database: str) -> Exchange:
    environment = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(home / "data"),
        "EXCHANGE_DATABASE_URL": database,
    }
    return open_exchange(load_settings(environment))


@pytest.fixture
def exchange(home: Path, database: str) -> Exchange:
    found = opened(home, database)
    run_partner(found.work, find_partner(found.partners, "elm_clinic"))
    return found


def test_the_worklist_has_codes_by_volume_with_suggestions_and_never_text(exchange: Exchange) -> None:
    tasks = [task for task in worklist(exchange, None) if task.code.code_map == "gender"]
    assert [(task.code.code, task.code.records) for task in tasks] == [("FEM", 2), ("", 1)]
    assert tasks[0].suggestions[0].code == "female"
    assert "woman" not in json.dumps([str(task) for task in tasks])


def test_records_taken_again_are_not_counted_again(exchange: Exchange) -> None:
    with exchange.work.connect() as connection:
        records = [row[0] for row in connection.execute("SELECT record FROM source_record").fetchall()]
    replay_records(exchange.work, "elm_clinic", records)
    assert worklist(exchange, "elm_clinic")[0].code.records == 2


def test_a_code_leaves_the_worklist_when_a_row_answers_it(
    exchange: Exchange, home: Path, database: str
) -> None:
    row = {
        "source_code": "FEM",
        "target_system": "http://hl7.org/fhir/administrative-gender",
        "target_code": "female",
        "equivalence": "equivalent",
    }
    mappings = home / "mappings"
    written = add_row(mappings, read_tree(mappings), "elm_clinic", "gender", row)
    with pytest.raises(ContentError, match="already"):
        add_row(mappings, read_tree(mappings), "elm_clinic", "gender", row)

    codes = [task.code.code for task in worklist(opened(home, database), "elm_clinic")]

    assert (written, codes) == ("elm_clinic/codes/gender.csv", [""])


def test_a_row_that_does_not_load_is_not_written(home: Path) -> None:
    mappings = home / "mappings"
    with pytest.raises(ContentError, match="equivalence"):
        add_row(
            mappings,
            read_tree(mappings),
            "elm_clinic",
            "gender",
            {"source_code": "X", "target_code": "female", "equivalence": "same"},
        )
    assert not (mappings / "elm_clinic/codes").exists()


def test_the_report_counts_what_no_row_read_and_what_was_never_filled(exchange: Exchange) -> None:
    found = report(exchange, "elm_clinic", 100)
    assert found.records == 4
    assert (found.unread, found.lost, found.losing) == ({"people Needs": 2}, {"people Needs": 2}, 2)
    assert {"Patient.birthDate", "Patient.address"} <= set(found.never_filled["us-core-patient"])
    assert "Patient.name.family" not in found.never_filled["us-core-patient"]
    assert {each.code: each.records for each in found.unmapped} == {"FEM": 2, "": 1}
    assert any("code map `gender`" in issue for issue in found.issues)
    assert not any(value in str(found) for value in ("Ash", "Birch", "food", "rent", "a woman"))


def test_lineage_is_found_by_record_and_by_published_resource_and_tells_what_was_lost(
    exchange: Exchange,
) -> None:
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT r.type || '/' || r.fhir_id, r.record FROM resource r JOIN source_record s USING (record)"
            " WHERE s.key = '1' AND r.type = 'Patient'"
        ).fetchone()
    assert row is not None

    found = trace(exchange, row[0])

    assert found == trace(exchange, str(row[1]))
    assert ("Patient.name.family", "Name") in [(v[0], v[1].split()[-1]) for v in found.values]
    assert (found.unread, found.lost) == (["Needs"], ["Needs"])
    with pytest.raises(ContentError, match="Type/id"):
        trace(exchange, "nobody")


def test_why_a_row_became_no_record_is_told_and_not_what_a_map_would_have_said_of_it(
    home: Path, tmp_path: Path, database: str
) -> None:
    (tmp_path / "records/people.csv").write_text(ROWS + ",Elm,Ed,F,\n")
    exchange = opened(home, database)
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    with exchange.work.connect() as connection:
        row = connection.execute("SELECT record FROM quarantine WHERE expression = 'ID'").fetchone()
    assert row is not None

    with pytest.raises(RecordRejected, match="key column ID is empty"):
        trace(exchange, str(row[0]))
    found = report(exchange, "elm_clinic", 100)
    assert (found.records, found.rejected) == (5, 1)
    assert "error required ID: key column ID is empty" in found.issues
    assert difference(exchange, "elm_clinic", SINCE, str(home / "mappings")).records == 4


def test_a_change_of_the_map_is_told_in_elements_before_it_is_merged(
    exchange: Exchange, home: Path, database: str
) -> None:
    _git(home, "init", "-q")
    _git(home, "add", "mappings")
    _git(home, "-c", "user.name=t", "-c", "user.email=t@t.example", "commit", "-qm", "before")
    path = home / "mappings/elm_clinic/people.map.yaml"
    path.write_text(
        path.read_text()
        .replace("family: Name", "family: Name | upper")
        .replace("given: First", "text: First")
    )

    found = difference(opened(home, database), "elm_clinic", SINCE, "HEAD")

    assert (found.records, found.changed) == (4, 4)
    assert found.changes[:3] == [
        ("changes", "Patient.name.family", 4),
        ("empties", "Patient.name.given", 4),
        ("fills", "Patient.name.text", 4),
    ]
    assert difference(opened(home, database), "elm_clinic", SINCE, str(home / "mappings")).changed == 0

    declared = home / "mappings/elm_clinic/partner.yaml"
    text = declared.read_text()
    declared.write_text(text.replace("  people:", "  persons:"))
    told = difference(opened(home, database), "elm_clinic", SINCE, "HEAD").changes
    declared.write_text(text)
    assert [(kind, "feed `people`" in what, count) for kind, what, count in told] == [("issue", True, 4)]


@pytest.mark.parametrize("against", ["--output=x", "no-such-revision", ""])
def test_what_is_neither_a_folder_nor_a_revision_is_refused(home: Path, against: str) -> None:
    with pytest.raises(ContentError):
        old_mappings(home, against)


def _git(home: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(home), *words], check=True)

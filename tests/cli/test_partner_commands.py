"""A partner is brought on with two commands and a folder of files."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exchange.cli.main import app
from exchange.content import load_partners, read_tree
from exchange.model.errors import ContentError

ROOT = Path(__file__).parents[2]
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Sample"}], "gender": "female"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A copy of the content, which a test may change."""
    for folder in ("mappings", "consent"):
        shutil.copytree(ROOT / folder, tmp_path / "home" / folder)
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    return tmp_path / "home"


@pytest.fixture
def stored(database, monkeypatch):
    """A database for what is run: an embedded one of the test's own would take seconds and outlive it."""
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)


def _run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_list_tells_who_sends_and_who_only_asks(home):
    found = {p["code"]: p for p in json.loads(_run("partner", "list", "--json").stdout)}
    assert set(found) == {path.parent.name for path in (home / "mappings").glob("*/partner.yaml")}
    assert found["prairie_clinic"]["connector"]["type"] == "fhir_search"
    assert found["north_shelter"]["feeds"] == {}


def test_a_check_tells_what_the_samples_become_and_ends_with_0_when_expected_names_their_errors(home):
    result = _run("partner", "check", "good_table", "--json")
    checked = json.loads(result.stdout)
    errors = [issue["expression"] for issue in checked["issues"] if issue["severity"] == "error"]
    assert (result.exit_code, errors) == (0, ["Patient.birthDate"])
    assert checked["resources"]["Patient"] == 4


def test_a_check_ends_with_1_for_an_error_that_expected_does_not_name(home):
    path = home / "mappings/good_table/samples/people/people.csv"
    path.write_text(path.read_text() + "GT-00046,Jo March\n")
    assert _run("partner", "check", "good_table").exit_code == 1


def test_a_check_ends_with_1_when_expected_names_no_error(home):
    expected = home / "mappings/good_table/expected/people/people.json"
    text = json.loads(expected.read_text())
    for output in text:
        output["issues"] = [i for i in output.get("issues", []) if i["severity"] != "error"]
    expected.write_text(json.dumps(text))
    assert _run("partner", "check", "good_table").exit_code == 1


def test_a_check_of_other_files_ends_with_0_whatever_they_hold(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text("no,such,columns\n1,2\n")
    assert _run("partner", "check", "good_table", "--folder", files).exit_code == 0


def test_a_check_of_samples_without_errors_ends_with_0(home):
    path = home / "mappings/good_table/samples/people/people.csv"
    path.write_text(path.read_text().replace("13/45/1980", "12/24/1980"))
    assert _run("partner", "check", "good_table").exit_code == 0


def test_a_new_partner_is_right_at_once(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "patients.json").write_text(json.dumps(PATIENT))
    made = _run("partner", "new", "maple_clinic", "--format", "fhir_json", "--folder", files)
    checked = json.loads(_run("partner", "check", "maple_clinic", "--folder", files, "--json").stdout)
    assert made.exit_code == 0
    assert (checked["records"], checked["resources"]) == (1, {"Patient": 1})


def test_a_new_spreadsheet_gets_a_map_that_works_at_once(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text(
        "MRN,Apellidos,DOB,Sexo,Color\n7,Roe,13/02/1980,F,red\n8,Doe,01/12/1990,M,blue\n"
    )
    made = _run("partner", "new", "maple_clinic", "--from", files / "people.csv")
    (files / "more.csv").write_text("MRN,Apellidos,DOB,Sexo,Color\n9,Poe,01/11/1991,Q9,red\n")
    checked = json.loads(_run("partner", "check", "maple_clinic", "--folder", files, "--json").stdout)
    assert made.exit_code == 0
    assert checked["resources"] == {"Patient": 3}
    assert [issue["code"] for issue in checked["issues"]] == ["code-invalid"]
    assert checked["unmapped"] == {"gender q9": 1}
    written = (home / "mappings/maple_clinic/records.map.yaml").read_text()
    assert "Color" in written
    assert "Roe" not in written + made.stdout


def test_a_column_left_out_for_bad_values_is_told_with_a_line_and_without_a_value(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text(
        "Report of May,,,,\nMRN,Last Name,DOB,Sexo,Seen on\n7,Roe,13/02/1980,F,02/13/2026\n"
        "8,Doe,12/45/1990,M,13/02/2026\n9,Poe,,F,02/14/2026\n"
    )
    told = " ".join(_run("partner", "new", "maple_clinic", "--from", files / "people.csv").stdout.split())
    assert (
        "column `DOB` (line 4, for example): left out of the map: of its 2 values 1 cannot be read as what"
        " its name says; right would be values such as 2026-11-28"
    ) in told
    assert "column `Seen on` (line 4, for example): left out of the map: of its 3 days some have" in told
    assert told.count("left out of the map") == 2
    assert "12/45" not in told


def test_each_test_of_an_accession_is_a_result_of_its_own_and_a_title_above_is_passed_over(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "lab.csv").write_text(
        "Lab extract,,,,,,,,\n,,,,,,,,\nMRN,Accession,Test Code,Test Name,Result,Units,Ref Range,Flag,Room\n"
        "7,A1,4548-4,Hemoglobin A1c,7.2,%,4.0-5.6,H,2\n7,A1,2345-7,Glucose,182,mg/dL,70-99,H,2\n"
        "8,A2,5778-6,Color,Yellow,,,,2\n"
    )
    assert _run("partner", "new", "maple_clinic", "--from", files / "lab.csv").exit_code == 0
    checked = json.loads(_run("partner", "check", "maple_clinic", "--folder", files, "--json").stdout)
    assert (checked["resources"], checked["issues"]) == ({"Patient": 3, "Observation": 3}, [])
    assert checked["unread"] == {"records Room": 3}
    written = (home / "mappings/maple_clinic/records.map.yaml").read_text()
    assert "id: ['Accession', '[Test Code]??', '[Test Name]??', =observation]" in written
    assert ('coding("interpretation")' in written, "text: '[Ref Range]'" in written) == (True, True)


def test_a_folder_of_claims_is_recognised_and_goes_through_a_whole_run(home, tmp_path, stored):
    files = tmp_path / "files"
    files.mkdir()
    for sample in sorted((ROOT / "mappings/county_health/samples/claims").iterdir()):
        shutil.copy(sample, files / f"{sample.stem}.837")
    assert _run("partner", "new", "maple_clinic", "--folder", files).exit_code == 0
    declared = (home / "mappings/maple_clinic/partner.yaml").read_text()
    assert ("format: x12" in declared, 'match: "**/*.837"' in declared) == (True, True)
    (told,) = json.loads(_run("run", "maple_clinic", "--json").stdout)
    assert (told["status"], told["records"]["published"], told["records"]["quarantined"]) == (
        "balanced",
        6,
        3,
    )
    waiting = json.loads(_run("quarantine", "list", "--json").stdout)
    assert "a claim needs a number" in {finding["detail"] for finding in waiting}


def test_a_partner_that_is_there_is_not_written_over(home):
    before = (home / "mappings/good_table/partner.yaml").read_text()
    result = _run("partner", "new", "good_table", "--format", "delimited", "--folder", "x")
    assert isinstance(result.exception, ContentError)
    assert (home / "mappings/good_table/partner.yaml").read_text() == before


def test_a_victim_service_provider_with_feeds_is_refused_with_file_and_line(home):
    path = home / "mappings/safe_harbor/partner.yaml"
    path.write_text(
        path.read_text()
        + "connector: {type: folder, options: {path: x}}\n"
        + "feeds: {people: {format: fhir_json, map: _shared/maps/fhir_r4.map.yaml}}\n"
    )
    told = str(_run("partner", "list").exception)
    assert "mappings/safe_harbor/partner.yaml:" in told
    assert "34 USC 12291(b)(2)" in told


def test_a_wrong_field_is_named_with_its_line(home):
    path = home / "mappings/good_table/partner.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "shedule: daily"]) + "\n")
    error = _run("partner", "check", "good_table").exception
    assert isinstance(error, ContentError)
    assert (error.file, error.line, error.field) == (
        "mappings/good_table/partner.yaml", len(lines) + 1, "shedule",
    )  # fmt: skip


def test_what_withheld_a_run_is_told_with_its_rule_and_citation(home, tmp_path, stored):
    files = tmp_path / "files"
    files.mkdir()
    (files / "patients.json").write_text(json.dumps(PATIENT))
    _run("partner", "new", "maple_clinic", "--format", "fhir_json", "--folder", files)
    declared = home / "mappings/maple_clinic/partner.yaml"
    declared.write_text(declared.read_text().replace("signed: 20", "signed: 21"))
    told = _run("run", "maple_clinic").stdout
    assert "maple_clinic: 2 resources withheld by source-agreement" in told
    declared.write_text(declared.read_text().replace("signed: 21", "signed: 20"))
    _run("upkeep")
    assert "withheld by" not in _run("run", "maple_clinic").stdout


@pytest.mark.parametrize(
    "old, new, told",
    [
        ('host: "${', 'hots: "${', "connector.options.hots.*did you mean `host`"),
        ("[COC]", "[SELLING]", "requests.purposes.*`SELLING` is no purpose of use"),
    ],
)
def test_a_check_refuses_what_would_fail_the_first_run_or_every_request(home, old, new, told):
    path = home / "mappings/good_table/partner.yaml"
    path.write_text(path.read_text().replace(old, new))
    error = _run("partner", "check", "good_table").exception
    assert isinstance(error, ContentError)
    assert re.search(told, str(error))


def test_a_check_names_what_the_environment_of_a_run_must_hold(home):
    told = _run("partner", "check", "good_table").stdout
    assert "TABLE_SFTP_HOST" in told
    assert "TABLE_SFTP_PASSWORD" in told


def test_a_copied_partner_becomes_a_new_one_by_its_folder_alone(home, tmp_path, stored):
    """Another code, namespace, transport and one row of a map; the expected outputs are written anew."""
    copy = home / "mappings/bread_basket"
    shutil.copytree(home / "mappings/good_table", copy)
    files = tmp_path / "drop"
    files.mkdir()
    declared = (copy / "partner.yaml").read_text()
    for old, new in (
        ("good_table", "bread_basket"), ("good-table", "bread-basket"), ("1999999968", "1999999893"),
    ):  # fmt: skip
        declared = declared.replace(old, new)
    head, _, feeds = declared.partition("connector:")
    folder = f"connector: {{type: folder, options: {{path: {files}, settle_seconds: 0}}}}\nfeeds:"
    (copy / "partner.yaml").write_text(head + folder + feeds.partition("feeds:")[2])
    rows = copy / "people.map.yaml"
    rows.write_text(rows.read_text().replace("text: =Household size", "text: =People at home"))
    assert _run("map", "check", "bread_basket").exit_code == 1
    _run("map", "check", "bread_basket", "--write")
    assert _run("map", "check", "bread_basket").exit_code == 0
    assert "People at home" in (copy / "expected/people/people.json").read_text()
    shutil.copy(copy / "samples/people/people.csv", files / "people_1.csv")
    result = _run("run", "bread_basket", "--json")
    balance = json.loads(result.stdout)[0]
    found = {outcome: count for outcome, count in balance["records"].items() if count}
    assert found == {"published": 5}


def test_a_spreadsheet_with_semicolons_and_odd_headings_is_read_as_it_is(home, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "Client List (Nov).csv").write_text(
        "Client ID;Surname, First;D.O.B.;M/F/X;Straße / Street;PLZ\n"
        "0001;Quill, Robin;04/02/1980;M;12 Star Way;62701\n0002;Ünal, Ay;13/11/1975;F;;62702\n"
    )
    made = _run("partner", "new", "oddly", "--from", files / "Client List (Nov).csv")
    checked = json.loads(_run("partner", "check", "oddly", "--folder", files, "--json").stdout)
    assert made.exit_code == 0
    assert (checked["resources"], checked["issues"]) == ({"Patient": 2}, [])


MESSAGE = (
    "MSH|^~\\&|LAB|{site}|||20260301080000||ADT^A08|{control}|P|2.5.1\r"
    "EVN|A08|20260301080000\r"
    "PID|1||{control}^^^{site}&1.2.3.4&ISO^MR||Sample^Robin||19800102|F\rPV1|1|O\r"
)


def _drop(folder):
    """Messages under every kind of name and depth, and what is no message."""
    (folder / "2026" / "march").mkdir(parents=True)
    for number, name in enumerate(("a.hl7", "b.HL7", "c.txt", "2026/d.hl7", "2026/march/e"), 1):
        (folder / name).write_bytes(MESSAGE.format(site="ELM", control=number).encode())
    (folder / "f.hl7.gz").write_bytes(gzip.compress(MESSAGE.format(site="ELM", control=6).encode()))
    (folder / "README.md").write_text("How to read these files.\n")
    (folder / "scan.pdf").write_bytes(b"%PDF-1.7\n\x00\x01")


def test_a_new_partner_takes_every_file_of_its_format_and_names_the_others(home, tmp_path, stored):
    _drop(tmp_path / "drop")
    done = _run("partner", "new", "elm", "--format", "hl7v2", "--folder", tmp_path / "drop")
    assert "6 files of format hl7v2" in done.stdout
    assert "README.md: looks like something else than hl7v2" in done.stdout
    assert "scan.pdf: looks like something else" in done.stdout
    counted = json.loads(_run("run", "elm", "--json").stdout)
    assert counted[0]["resources"]["published"] == len(("the partner itself", *range(6)))
    assert counted[0]["records"]["quarantined"] == len(("README.md", "scan.pdf"))


def test_names_of_one_kind_leave_others_out_and_say_so(home, tmp_path):
    folder = tmp_path / "drop" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.hl7").write_bytes(MESSAGE.format(site="ELM", control=1).encode())
    (tmp_path / "drop" / "b.hl7").write_bytes(MESSAGE.format(site="ELM", control=2).encode())
    (tmp_path / "drop" / "README.md").write_text("How to read these files.\n")
    done = _run("partner", "new", "elm", "--format", "hl7v2", "--folder", tmp_path / "drop")
    assert '2 files of format hl7v2; match "**/*.hl7" takes them' in done.stdout
    assert "README.md: is not taken" in done.stdout


def test_an_empty_folder_is_told(home, tmp_path):
    (tmp_path / "drop").mkdir()
    done = _run("partner", "new", "elm", "--format", "ccda", "--folder", tmp_path / "drop")
    assert "no file there looks like ccda yet" in done.stdout


def test_a_folder_that_tells_nothing_names_the_formats(home, tmp_path):
    (tmp_path / "drop").mkdir()
    done = _run("partner", "new", "elm", "--folder", tmp_path / "drop")
    assert "--format says hl7v2, ccda, delimited, fhir_json" in done.stdout
    assert "--from FILE proposes one by the columns" in done.stdout


@pytest.mark.parametrize(
    ("condition", "options"),
    [
        ('{"resourceType": "Condition", "id": "c", "clinicalStatus": "active"}', {"fhir_version": "STU3"}),
        ('{"resourceType": "Condition", "id": "c", "encounter": {"reference": "Encounter/e"}}', {}),
    ],
)
def test_the_version_of_fhir_is_told_by_the_files(home, tmp_path, condition, options):
    (tmp_path / "drop").mkdir()
    patient = '{"resourceType": "Patient", "id": "p"}'
    (tmp_path / "drop" / "all.ndjson").write_text(f"{patient}\n{condition}\n")
    (tmp_path / "drop" / "broken.json").write_text('{"resourceType": ')
    assert _run("partner", "new", "elm", "--folder", tmp_path / "drop").exit_code == 0
    (feed,) = load_partners(read_tree(home / "mappings"))["elm"].feeds.values()
    assert dict(feed.options) == options

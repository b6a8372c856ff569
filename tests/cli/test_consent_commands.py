"""What a privacy officer types, on a copy of the rules that may be changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from exchange.app import open_exchange
from exchange.cli.main import app
from exchange.model.errors import ContentError
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import PublishItem, publish, version_id
from exchange.settings import load_settings

ROOT = Path(__file__).parents[2]
PART2 = "consent/policies/30-part2.yaml"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for folder in ("mappings", "consent"):
        shutil.copytree(ROOT / folder, tmp_path / "home" / folder)
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    return tmp_path / "home"


def _run(*words):
    return CliRunner().invoke(app, ["consent", *map(str, words)])


def _break(home):
    """Part 2 records no longer need a consent."""
    path = home / PART2
    before, _, after = path.read_text().partition("  - id: part2-consent\n")
    path.write_text(before + "  - id: " + after.partition("\n  - id: ")[2])


def _promise_only(home, *ids):
    """Proving all of them takes ten seconds; tests/consent/test_proof.py does."""
    path = home / "consent/invariants/10-promises.yaml"
    head, *promises = path.read_text().split("  - id: ")
    path.write_text("  - id: ".join([head, *(one for one in promises if one.partition("\n")[0] in ids)]))


def test_a_broken_promise_is_told_with_its_example_and_ends_with_1(home):
    _promise_only(home, "part2-needs-its-consent", "own-records-stay-open")
    _break(home)
    result = _run("prove", "--json")
    broken = {p["invariant"]: p for p in json.loads(result.stdout) if not p["holds"]}
    assert (result.exit_code, *broken) == (1, "part2-needs-its-consent")
    assert "labelled 42CFRPart2" in " ".join(broken["part2-needs-its-consent"]["counterexample"])


@pytest.mark.slow
def test_the_rules_of_another_folder_are_tried_in_place_of_those_here(home, tmp_path):
    draft = tmp_path / "draft"
    shutil.copytree(home / "consent", draft)
    _break(home)
    assert _run("test").exit_code == 1
    assert _run("test", "--rules", draft).exit_code == 0


@pytest.mark.slow
def test_the_rules_of_a_git_revision_are_tried(home):
    git = ("git", "-C", str(home), "-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", "consent"), ("commit", "-q", "-m", "rules")):
        subprocess.run([*git, *words], check=True)
    _break(home)
    assert _run("test", "--rules", "HEAD").exit_code == 0
    assert _run("test").exit_code == 1


@pytest.mark.parametrize("name", ["no-such-thing", "--output=x", "HEAD"])
def test_what_is_neither_folder_nor_revision_is_refused(home, name):
    assert isinstance(_run("check", f"--rules={name}").exception, ContentError)


def test_a_check_names_file_and_line_and_ends_with_1(home):
    path = home / PART2
    path.write_text(path.read_text().replace("review_by: 2027-01-31", "review_by: 2024-05-01", 1))
    result = _run("check")
    assert result.exit_code == 1
    assert f"{PART2}:4: part2-consent is unreviewed" in result.stdout


def test_the_rules_as_they_are_pass_the_check(home):
    assert _run("check").exit_code == 0


@pytest.fixture
def stored(home, database, monkeypatch):
    """One open record of the clinic in the repository of this home."""
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)
    opened = open_exchange(load_settings())
    with opened.work.connect() as connection:
        fhir_id = resource_id("https://prairie.example/", "Patient", "1")
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%(id)s, %(golden)s, 'prairie_clinic', %(id)s, '{}')",
            {"id": fhir_id, "golden": golden_id(fhir_id)},
        )
        item = PublishItem(
            resource={"resourceType": "Patient", "id": fhir_id},
            labels=Labels(),
            redacted=None,
            patient=fhir_id,
            partner="prairie_clinic",
            record=1,
            event_time=opened.work.now(),
            cluster=None,
            trust=10,
            mapping_digest="m",
            rules_digest="r",
        )
        publish(connection, [item], (), opened.context, opened.work.now())
        connection.commit()
    return home


def test_a_draft_that_shuts_somebody_out_is_foretold_with_counts_and_the_rule(stored, tmp_path):
    draft = tmp_path / "draft"
    shutil.copytree(stored / "consent", draft)
    path = draft / "policies/10-exchange.yaml"
    path.write_text(path.read_text().replace("    effect: released", "    effect: prohibited", 1))
    found = json.loads(_run("simulate", "--rules", draft, "--json").stdout)
    lost = [(t["action"], t["gained"], t["records"], t["patients"]) for t in found["totals"]]
    assert lost == [("access", False, 1, 1), ("disclose", False, 1, 1)]
    assert {change["participant"] for change in found["changes"]} == {"prairie_clinic"}
    assert {tuple(change["because"]) for change in found["changes"]} == {("own-records",)}


def test_a_draft_of_a_participant_whose_agreement_ends_is_foretold(stored, tmp_path):
    drafts = tmp_path / "mappings"
    shutil.copytree(stored / "mappings", drafts)
    path = drafts / "prairie_clinic/partner.yaml"
    path.write_text(
        re.sub(
            r"agreement: \{.*\}",
            "agreement: {type: BAA, signed: 2020-01-01, ends: 2020-12-31}",
            path.read_text(),
        )
    )
    result = _run("simulate", "--mappings", drafts)
    assert "lost, asked for: 1 records of 1 patients" in result.stdout


def test_what_a_draft_answers_to_those_who_reach_nothing_is_counted_apart(stored, tmp_path):
    """No hospital cares for the one patient: nothing moves, and the rule is another all the same."""
    draft = tmp_path / "draft"
    shutil.copytree(stored / "consent", draft)
    path = draft / "policies/20-hipaa.yaml"
    path.write_text(path.read_text().replace("    effect: allowed", "    effect: prohibited", 1))
    found = json.loads(_run("simulate", "--rules", draft, "--json").stdout)
    assert "lakeside_hospital" not in {change["participant"] for change in found["changes"]}
    assert found["out_of_reach"] > 0
    assert "move no record today" in _run("simulate", "--rules", draft).stdout


def test_the_same_rules_foretell_nothing(stored, tmp_path):
    same = _run("simulate", "--rules", stored / "consent").stdout
    assert "no record today" not in same
    assert "nobody gains or loses" in same
    assert "label records differently" not in same
    shutil.copytree(stored / "consent", tmp_path / "draft")
    path = tmp_path / "draft/minors.csv"
    path.write_text(path.read_text().replace("IL,SUD,12,", "IL,SUD,13,"))
    other = _run("simulate", "--rules", tmp_path / "draft").stdout
    assert "label records differently" in other
    assert "nobody gains or loses" in other


def test_a_simulation_of_no_draft_is_refused(stored):
    assert isinstance(_run("simulate").exception, ContentError)


def test_an_explanation_names_the_rule_with_its_source_and_the_consent_with_its_version(stored, database):
    with psycopg.connect(database) as connection:
        (fhir_id,) = connection.execute("SELECT fhir_id::text FROM patient").fetchone()
    own = _run("explain", f"Patient/{fhir_id}", "--as", "prairie_clinic", "--for", "TREAT").stdout
    assert "(own-records; 45 CFR 164.506(c)(1)" in own
    refusal = {
        "resourceType": "Consent",
        "id": "5f2d3c1e-0000-4000-8000-000000000001",
        "meta": {"versionId": "3"},
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
                              "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{fhir_id}"},
        "dateTime": "2026-03-02",
        "provision": {"type": "deny", "action": [{"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}]}]},
    }  # fmt: skip
    opened = open_exchange(load_settings())
    with opened.work.connect() as connection:
        item = PublishItem(
            resource=refusal, labels=Labels(), redacted=None, patient=fhir_id, partner="prairie_clinic",
            record=2, event_time=opened.work.now(), cluster=None, trust=10,
            mapping_digest="m", rules_digest="r",
        )  # fmt: skip
        publish(connection, [item], (), opened.context, opened.work.now())
        connection.commit()
    told = _run("explain", f"Patient/{fhir_id}", "--as", "lakeside_hospital", "--for", "TREAT").output
    assert "whole record, asked for: not visible" in told
    asked, sent = told.split("whole record, sent by itself: ")
    assert "Consent.provision" in asked
    assert "Consent.provision" not in sent
    with opened.work.connect() as connection:
        (stored,) = connection.execute("SELECT updated FROM resource WHERE type = 'Consent'").fetchone()
    version = f"Consent/{refusal['id']}/_history/{version_id(stored)}"
    assert f"Because of: {version} (Consent.provision)." in told


def test_what_is_shown_now_is_held_against_the_promises_too(home, stored, database):
    """Somebody wrote another label past the rules: what is still permitted breaks a promise."""
    _promise_only(home, "part2-needs-its-consent", "own-records-stay-open")
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE disclosure_class SET labels = '{42CFRPart2,SUD}' WHERE type = 'Patient'")
    result = _run("prove", "--stored", "--json")
    broken = {p["invariant"]: p for p in json.loads(result.stdout) if not p["holds"]}
    told = broken["part2-needs-its-consent"]
    assert len(broken) == 1
    assert (result.exit_code, told["counterexample"], told["records"]) == (1, [], 1)
    assert "Patient of prairie_clinic" in told["stored"][1]

"""`exchange audit accounting`: each form, and that it was asked for is in the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import psycopg
import pytest
from typer.testing import CliRunner

from exchange.audit import append, steward_entries, view_entries
from exchange.cli.main import app
from exchange.validation.structure import structural_issues

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch, database):
    monkeypatch.setenv("EXCHANGE_HOME", str(ROOT))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)
    return lambda *words: CliRunner().invoke(app, ["audit", "accounting", *words])


@pytest.mark.parametrize(
    ("form", "begins"), [("pdf", b"%PDF-"), ("csv", b"When,To whom,What,Why"), ("fhir", b'{"resourceType"')]
)
def test_each_form_is_written_and_its_asking_recorded(run, form, begins, tmp_path, database):
    patient, out = str(uuid4()), tmp_path / f"accounting.{form}"
    asked = ("--law", "hipaa", "--since", "2026-01-01", "--as", "anna")
    result = run(patient, "--form", form, "--out", str(out), *asked)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(begins)
    assert patient not in result.output
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT patient::text, body #>> '{agent,0,who,display}' FROM audit_event WHERE kind = 'log.read'"
        ).fetchall()
    assert rows == [(patient, "anna")]


def test_a_day_that_is_none_is_refused(run):
    assert run(str(uuid4()), "--since", "yesterday").exit_code != 0


def test_who_is_a_patient_is_declared_of_a_user_or_an_account_and_listed(run, database):
    def workforce(*words):
        return CliRunner().invoke(app, ["audit", "workforce", *words])

    patient = str(uuid4())
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, gen_random_uuid(), 'harbor', %s, '{}')",
            (patient, patient),
        )
    as_user = ("--participant", "lakeside_hospital", "--user", "u 7", "--as", "anna")
    assert workforce("declare", patient, "--account", "kim", *as_user).exit_code != 0
    assert workforce("declare", patient, "--account", "nobody").exit_code != 0
    assert workforce("declare", patient, *as_user).output == "entry 1\n"
    listed = workforce("list", "--json", "--as", "anna").output
    assert "user lakeside_hospital u 7" in listed
    assert workforce("end", "1", "--as", "anna").exit_code == 0
    assert workforce("end", "1", "--as", "anna").exit_code != 0
    with psycopg.connect(database) as connection:
        kinds = connection.execute("SELECT kind, patient::text FROM audit_event ORDER BY 1").fetchall()
    assert kinds == [(kind, patient) for kind in ("log.read", "workforce.declared", "workforce.ended")]


def test_who_saw_what_tells_of_the_console_without_a_name_and_the_law_s_list_does_not(run, database):
    patient, other = str(uuid4()), str(uuid4())
    with psycopg.connect(database) as connection:
        at = datetime(2026, 6, 1, 9, tzinfo=UTC)
        seen = view_entries("kim", ["match-steward"], "HOPERAT", "/matching", [patient, other], at)
        append(connection, [*seen, *steward_entries("access", "kim", "a twin", [patient, other], at)])
    told = run(patient, "--form", "csv", "--language", "en").output
    assert "people who work at the console of Mosaic Exchange" in told
    assert "administration of patients" in told
    assert "health care operations" in told
    assert "kim" not in told
    assert "console" not in run(patient, "--form", "csv", "--language", "en", "--law", "hipaa").output
    bundle = orjson.loads(run(patient, "--form", "fhir").stdout_bytes)
    looks = [entry["resource"] for entry in bundle["entry"]]
    assert [[e["what"]["reference"] for e in one["entity"]] for one in looks] == [[f"Patient/{patient}"]] * 2
    for secret in ("kim", "/matching", other, "a twin"):
        assert secret not in orjson.dumps(bundle).decode(), secret
    assert [structural_issues(one) for one in looks] == [[], []]


def test_what_is_decided_about_a_late_label_is_in_the_log_and_no_consent_is_decided_that_does_not_wait(
    run, database
):
    def command(*words):
        return CliRunner().invoke(app, words)

    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose,"
            " because, first_event, last_event, times)"
            " VALUES (now(), 'Observation', gen_random_uuid(), 'elm', '{HIV}', 'oak', 'TREAT', '{x}',"
            " 1, 1, 1)"
        )
    said = ("--decision", "no-action", "--reason", "seen before", "--as", "anna")
    assert command("consent", "close", "1", *said).exit_code == 0
    assert command("consent", "close", "1", *said).exit_code != 0
    assert command("audit", "uncomputable", "--json").stdout.strip() == "[]"
    assert command("audit", "answer", "7", "--decision", "captured", "--reason", "x").exit_code != 0
    with psycopg.connect(database) as connection:
        told = connection.execute(
            "SELECT body ->> 'outcomeDesc' FROM audit_event WHERE kind = 'late.decided'"
        ).fetchall()
    assert told == [("entry 1, no-action: seen before",)]


def test_reading_a_worklist_of_the_log_is_recorded_with_whom_it_was_about(run, database):
    patient = str(uuid4())
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO emergency_access (at, until, participant, client, patient, statement)"
            " VALUES (now(), now(), 'oak', 'oak', %s, '{}')",
            [patient],
        )
        connection.execute(
            "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,"
            " last_event, found) VALUES ('same-home', 'account kim', '', now(), %s, 1, 0, 1, 1, now())",
            [patient],
        )
    for command in ("emergencies", "unusual"):
        assert CliRunner().invoke(app, ["audit", command, "--as", "anna"]).exit_code == 0
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT kind, patient::text, body ->> 'outcomeDesc' FROM audit_event")
        assert rows.fetchall() == [
            ("log.read", patient, "emergency accesses"),
            ("log.read", patient, "unusual access"),
        ]

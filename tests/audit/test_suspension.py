"""An accounting is suspended at an agency's word (45 CFR 164.528(a)(2)): without a trace, for its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner

from exchange.app.privacy.suspending import accountable
from exchange.audit import Disclosed, accounting, append, query_entries
from exchange.cli.main import app
from exchange.model.ids import golden_id

ROOT = Path(__file__).parents[2]
OTHER = "another_participant"
NOON = datetime(2026, 6, 1, 17, tzinfo=UTC)
CHARTS = [str(UUID(int=n)) for n in (1, 2)]


@pytest.fixture
def agency():
    """A participant of this home that the law knows as an agency."""
    return next(p.name for p in sorted((ROOT / "mappings").iterdir()) if (p / "partner.yaml").exists())


@pytest.fixture
def person(connection, requester, circumstances, agency):
    """Two charts of one person, of which the agency and another participant got something, and a stranger."""
    for fhir_id in [*CHARTS, str(UUID(int=3))]:
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, 'elm', %s, '{}')",
            (fhir_id, golden_id(fhir_id), CHARTS[0] if fhir_id in CHARTS else fhir_id),
        )
    for participant in (agency, OTHER):
        who = replace(requester, participant=participant, purpose="HLEGAL")
        shown = [Disclosed(golden_id(str(UUID(int=n))), ("Condition/1",)) for n in (1, 3)]
        append(connection, query_entries(who, circumstances, "x", shown))
    connection.commit()
    return golden_id(CHARTS[0])


def _suspended(connection, patient, participant, until, statement="written", stated=NOON):
    return connection.execute(
        "INSERT INTO accounting_suspension (patient, participant, official, statement, stated, until,"
        " recorded, recorded_by) VALUES (%s, %s, 'Det. Roe', %s, %s, %s, now(), 'anna') RETURNING suspension",
        (patient, participant, statement, stated.date(), until.date()),
    ).fetchone()[0]


def _told(connection, patient, days):
    return [one.participant for one in accountable(connection, patient, NOON + timedelta(days=days))]


def test_what_the_agency_got_is_left_out_while_it_holds_and_in_again_by_itself(connection, person, agency):
    _suspended(connection, CHARTS[1], agency, NOON + timedelta(days=90))
    assert [_told(connection, person, days) for days in (-1, 0, 90, 91)] == [
        [agency, OTHER], [OTHER], [OTHER], [agency, OTHER],
    ]  # fmt: skip
    assert _told(connection, golden_id(str(UUID(int=3))), 1) == [agency, OTHER], "another person's is whole"
    assert len(accounting(connection, person)) == 2, "the log and what officers do with it know of it"


def test_one_that_was_ended_leaves_nothing_out(connection, person, agency):
    number = _suspended(connection, person, agency, NOON + timedelta(days=90))
    connection.execute(
        "UPDATE accounting_suspension SET ended = now(), ended_by = 'anna' WHERE suspension = %s", [number]
    )
    assert _told(connection, person, 1) == [agency, OTHER]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounting_suspension SET until = until + 30",
        "UPDATE accounting_suspension SET official = 'somebody else'",
        "DELETE FROM accounting_suspension",
        "UPDATE accounting_suspension SET ended = now(), ended_by = 'a', participant = 'b'",
    ],
)
def test_what_was_documented_stands(connection, person, agency, statement):
    _suspended(connection, person, agency, NOON + timedelta(days=90))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.fixture
def run(tmp_path, monkeypatch, database):
    monkeypatch.setenv("EXCHANGE_HOME", str(ROOT))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


def _day(days):
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def _suspend(run, person, agency, statement, stated, until, official="Det. Roe, County Sheriff"):
    days = ("--stated", _day(stated), "--until", _day(until))
    named = ("--recipient", agency, "--official", official, "--statement", statement, "--as", "anna")
    return run("suspend", person, *named, *days)


def test_the_pages_are_the_same_to_the_byte_as_if_the_agency_had_got_nothing(run, person, agency, database):
    """Compared with the accounting after the agency's disclosures were taken out of the log itself."""

    def written(form):
        done = run("accounting", person, "--law", "hipaa", "--form", form, "--language", "en")
        assert done.exit_code == 0, done.output
        return done.stdout_bytes

    whole = written("csv")
    assert _suspend(run, person, agency, "oral", -2, 28).exit_code == 0
    left = written("csv")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM audit_event WHERE participant = %s", [agency])
        connection.execute("DELETE FROM accounting_suspension")
    assert left == written("csv") != whole


def test_an_oral_statement_holds_once_and_for_thirty_days(run, person, agency):
    assert _suspend(run, person, agency, "oral", -2, 29).exit_code != 0
    assert _suspend(run, person, agency, "oral", 2, 5).exit_code != 0, "not made yet"
    assert _suspend(run, person, agency, "oral", -2, -3).exit_code != 0
    assert _suspend(run, person, agency, "oral", -2, 5, official=" ").exit_code != 0
    assert _suspend(run, str(UUID(int=77)), agency, "oral", -2, 5).exit_code != 0
    assert _suspend(run, person, "nobody", "oral", -2, 5).exit_code != 0
    assert _suspend(run, person, agency, "oral", -40, -10).exit_code == 0
    assert _suspend(run, CHARTS[1], agency, "oral", -9, 10).exit_code != 0, "one after another"
    assert _suspend(run, CHARTS[1], agency, "written", -9, 300).exit_code == 0


def test_documenting_listing_and_ending_are_in_the_log_without_the_officials_name(
    run, person, agency, database
):
    number = _suspend(run, person, agency, "written", -2, 200).output.split()[1]
    assert "County Sheriff" in run("suspensions", "--json", "--as", "anna").output
    assert run("resume", number, "--as", "anna").exit_code == 0
    assert run("resume", number, "--as", "anna").exit_code != 0
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT kind, patient::text, body::text FROM audit_event WHERE sequence > 4 ORDER BY sequence"
        ).fetchall()
    assert [row[:2] for row in rows] == [
        ("accounting.suspended", person),
        ("log.read", person),
        ("accounting.resumed", person),
    ]
    assert not any("Roe" in row[2] or agency in row[2] for row in rows)

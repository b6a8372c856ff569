"""Rules in force by two officers' signatures, from the command line to the opened exchange."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from exchange.app import open_exchange
from exchange.cli.main import app
from exchange.model.errors import ContentError, DecisionFailed
from exchange.settings import load_settings

ROOT = Path(__file__).parents[2]


def _run(*words):
    result = CliRunner().invoke(app, ["consent", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def _opened():
    return open_exchange(load_settings()).context.rules.digest


@pytest.fixture
def office(tmp_path, monkeypatch, database):
    """Two officers, and a home whose rules nobody has signed."""
    for folder in ("mappings", "consent"):
        shutil.copytree(ROOT / folder, tmp_path / "home" / folder)
    # Thousands of questions that are asked before anybody signs, and by tests of their own.
    (tmp_path / "home/consent/cases/tables.yaml").unlink()
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", database)
    monkeypatch.setenv("EXCHANGE_ACTIVATION", "officers")
    for name in ("anna", "bohdan"):
        key = tmp_path / f"{name}.pem"
        _run("officer", "new-key", key)
        _run("officer", "add", name, "--public", f"{key}.pub", "--as", name, "--key", key)
    return tmp_path


def _activate(office, name):
    return _run("activate", "--as", name, "--key", office / f"{name}.pem")


def _tamper(database, statement):
    """As somebody who owns the database."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "ALTER TABLE officer_act DISABLE TRIGGER ALL; ALTER TABLE ruleset DISABLE TRIGGER ALL"
        )
        connection.execute(statement)


def test_only_what_two_officers_signed_is_in_force_whatever_the_folder_says_later(office, database):
    with pytest.raises(DecisionFailed, match="no rules are in force"):
        _opened()
    assert "needs the signature of a second officer" in _activate(office, "anna")
    with pytest.raises(DecisionFailed, match="no rules are in force"):
        _opened()
    assert "is in force" in _activate(office, "bohdan")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM ruling").fetchone() == (1,)
    signed = _opened()
    path = office / "home/consent/policies/10-exchange.yaml"
    path.write_text(path.read_text().replace("    effect: released", "    effect: prohibited", 1))
    assert _opened() == signed


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE officer_act SET at = at - interval '1 day' WHERE number = 3", marks=pytest.mark.slow
        ),
        "DELETE FROM officer_act WHERE number = 3",
        pytest.param("DELETE FROM officer_act WHERE number = 4", marks=pytest.mark.slow),
        "UPDATE officer_act SET seal = signature WHERE number = 1",
        "UPDATE ruleset SET files = files - 'policies/30-part2.yaml'",
        pytest.param("UPDATE ruleset SET files = '{}'", marks=pytest.mark.slow),
        "DELETE FROM ruleset",
    ],
)
def test_an_exchange_whose_officers_record_was_altered_does_not_open(office, database, statement):
    _activate(office, "anna")
    _activate(office, "bohdan")
    _tamper(database, statement)
    with pytest.raises(DecisionFailed):
        _opened()


def test_what_was_signed_cannot_be_changed_or_taken_back(office, database):
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM officer_act")


def test_what_is_in_force_is_not_signed_again(office):
    _activate(office, "anna")
    _activate(office, "bohdan")
    with pytest.raises(DecisionFailed, match="in force already; nothing was signed"):
        _activate(office, "bohdan")
    assert "Waits" not in _run("officer", "list")


def test_rules_whose_cases_do_not_come_out_are_not_signed(office):
    path = office / "home/consent/policies/10-exchange.yaml"
    path.write_text(path.read_text().replace("    effect: released", "    effect: prohibited", 1))
    with pytest.raises(ContentError, match=r"cases do not come out.*Nothing was signed"):
        _activate(office, "anna")
    assert "Waits" not in _run("officer", "list")


def test_rules_without_a_case_are_not_signed(office):
    for path in (office / "home/consent/cases").glob("*.yaml"):
        if path.name != "participants.yaml":
            path.unlink()
    with pytest.raises(ContentError):
        _activate(office, "anna")


def test_a_key_that_is_not_the_officers_puts_nothing_into_force(office):
    with pytest.raises(DecisionFailed, match="not that of `anna`"):
        _run("activate", "--as", "anna", "--key", office / "bohdan.pem")
    assert "Waits" not in _run("officer", "list")

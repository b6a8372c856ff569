"""An error becomes one line and an exit code."""

import sys
from importlib import import_module

import psycopg
import pytest
import typer

from exchange.cli import main
from exchange.cli.exits import exit_code, untold
from exchange.model.errors import (
    Conflict,
    ContentError,
    DecisionFailed,
    Denied,
    ExchangeError,
    PartnerRefused,
    PartnerUnavailable,
    RecordRejected,
)
from exchange.pipeline.balance import RunOutOfBalance


@pytest.mark.parametrize(
    "error, code",
    [
        (ContentError("wrong"), 3),
        (PartnerUnavailable("away"), 4),
        (PartnerRefused("no"), 5),
        (Conflict("busy"), 6),
        (RunOutOfBalance("one is missing"), 10),
        (RecordRejected("unusable"), 1),
        (Denied("no"), 1),
        (DecisionFailed("unclear"), 1),
        (ExchangeError("else"), 1),
    ],
)
def test_an_error_has_the_exit_code_of_what_to_do_next(error, code):
    assert exit_code(error) == code


def test_a_named_error_is_one_line_and_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["exchange", "partner", "check", "nobody_here"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 3
    assert "nobody_here" in told.out
    assert "Traceback" not in told.out + told.err


def test_a_wrong_option_is_wrong_usage(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["exchange", "runs", "--nonsense"])
    with pytest.raises(SystemExit) as ended:
        main()
    capsys.readouterr()
    assert ended.value.code == 2


def test_an_error_that_is_not_ours_is_one_line_without_its_text(monkeypatch, capsys):
    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def run() -> None:
        raise KeyError("Jane Roe")

    monkeypatch.setattr(import_module("exchange.cli.main"), "app", broken)
    monkeypatch.setattr(sys, "argv", ["exchange"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 1
    assert "KeyError unexpected, at main.py:" in told.out
    assert len(told.out.splitlines()) == 1
    assert "Jane" not in told.out + told.err
    assert "Traceback" not in told.out + told.err


def test_a_database_that_refuses_is_told_by_state_and_constraint_never_by_row(connection):
    connection.execute("CREATE TEMPORARY TABLE person (name text CONSTRAINT once PRIMARY KEY)")
    connection.execute("INSERT INTO person VALUES ('Jane Roe')")
    with pytest.raises(psycopg.Error) as refused:
        connection.execute("INSERT INTO person VALUES ('Jane Roe')")
    assert untold(refused.value) == "the database refused, SQLSTATE 23505, constraint once"


def test_a_database_that_is_away_is_told_as_such():
    with pytest.raises(psycopg.Error) as away:
        psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2)
    assert untold(away.value).startswith("the database does not answer")


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as absent:
        (tmp_path / "nothing").open()
    assert untold(absent.value) == f"{tmp_path / 'nothing'}: No such file or directory"

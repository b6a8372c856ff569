"""An error becomes one line and an exit code."""

import sys

import pytest

from exchange.cli import main
from exchange.cli.exits import exit_code
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

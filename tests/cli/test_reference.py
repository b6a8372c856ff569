"""docs/cli.md is what the commands say of themselves."""

from pathlib import Path

import typer

from exchange.cli.main import app
from exchange.cli.reference import commands, reference

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_is_generated_from_the_commands():
    assert PAGE.read_text() == reference(app), "run: python -m exchange.cli.reference > docs/cli.md"


def test_a_new_option_changes_the_page():
    small = typer.Typer(epilog="Exit codes: 0 done · 1 failed")

    @small.command()
    def first(count: int = 3) -> None:
        """Count."""

    @small.command()
    def second(name: str) -> None:
        """Name."""

    text = reference(small)
    assert "exchange first [OPTIONS]" in text
    assert "| `--count` |  | `3` |" in text
    assert "exchange second NAME\n" in text


def test_groups_and_their_commands_are_known_by_their_words():
    known = commands(app)
    assert {"--folder", "--json", "--help"} <= known["partner check"]
    assert "partner" in known

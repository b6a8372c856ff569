"""What the pages say about commands, settings, links, exit codes and errors is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from exchange.cli.exits import CODES, MEANINGS
from exchange.cli.main import app
from exchange.cli.reference import commands
from exchange.model import errors
from exchange.settings import VARIABLES

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "consent/README.md", *(ROOT / "docs").rglob("*.md")])
KNOWN = commands(app)


def _command_lines(text: str) -> list[str]:
    """Command lines in console blocks and between backquotes."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [line for line in lines if line.startswith("exchange ")]


def _mistakes(line: str) -> list[str]:
    """The first word that is no command, or the options the command does not have."""
    words = shlex.split(line, comments=True)[1:]
    command = ""
    while words and f"{command} {words[0]}".strip() in KNOWN:
        command = f"{command} {words.pop(0)}".strip()
    group = any(name.startswith(f"{command} ".lstrip()) for name in KNOWN if name != command)
    if group and words and not words[0].startswith("-"):
        return [words[0]]
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    return [option for option in options if option not in KNOWN[command]]


CASES = [(page.relative_to(ROOT), line) for page in PAGES for line in _command_lines(page.read_text())]


@pytest.mark.parametrize("page, line", CASES)
def test_a_command_on_a_page_exists_with_its_options(page, line):
    assert _mistakes(line) == []


@pytest.mark.parametrize(
    "line, mistakes",
    [
        ("exchange partner chekc x", ["chekc"]),
        ("exchange frobnicate", ["frobnicate"]),
        ("exchange partner check x --floder y", ["--floder"]),
        ("exchange partner check x --folder y", []),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line, mistakes):
    assert _mistakes(line) == mistakes


def test_the_table_of_settings_is_that_of_the_code():
    text = (ROOT / "docs/operations.md").read_text()
    table = text.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in VARIABLES.items())
    assert table == "| variable | what it is |\n|---|---|\n" + rows


def _links(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose)
    return [link.split("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]


LINKS = [(page.relative_to(ROOT), link) for page in PAGES for link in _links(page)]


@pytest.mark.parametrize("page, link", LINKS)
def test_a_relative_link_leads_somewhere(page, link):
    assert (ROOT / page.parent / link).exists()


@pytest.mark.parametrize("code", sorted(set(CODES.values())))
def test_every_exit_code_is_explained(code):
    assert re.search(rf"(^|[·:]\s+){code} \w", MEANINGS)
    assert re.search(rf"^\| {code} \| \w", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)


ERRORS = [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_listed_where_the_house_is_described(name):
    assert f"`{name}`" in (ROOT / "docs/architecture.md").read_text()


def test_the_index_lists_every_decision():
    folder = ROOT / "docs/decisions"
    written = {path.name for path in folder.glob("[0-9]*.md")}
    assert set(_links(folder / "README.md")) == written

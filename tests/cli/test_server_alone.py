"""A repository server is installed without the extras: everything but the demo works there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = (
    "airflow",
    "asyncpg",
    "psycopg2",
    "celery",
    "redis",
    "splink",
    "duckdb",
    "pyarrow",
    "faker",
    "asyncssh",
    "argon2",
    "authlib",
    "babel",
    "joserfc",
    "jinja2",
    "python_multipart",
)
# They take long to import: only who prints or goes to an SFTP server waits for them.
LATER = ("fpdf", "paramiko")
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRAS + LATER}))
sys.argv[0] = "exchange"
from exchange.cli import main
main()
"""


def run_without_extras(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, cwd=ROOT)


def declared(extra: str) -> set[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {re.split(r"[\[<>=]", line)[0] for line in extras[extra]}


@pytest.mark.parametrize(
    "words",
    [
        ("partner", "list", "--json"),
        pytest.param(("serve", "--help"), marks=pytest.mark.slow),
        pytest.param(("listen", "--help"), marks=pytest.mark.slow),
    ],
)
def test_a_command_of_a_server_needs_no_extra(words: tuple[str, ...]) -> None:
    done = run_without_extras(*words)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_demo_says_which_extras_it_needs() -> None:
    done = run_without_extras("demo")
    assert done.returncode == 3
    assert "the extras airflow and demo" in " ".join(done.stdout.split())


def test_the_packages_kept_away_are_those_of_the_extras() -> None:
    modules = {name.removeprefix("apache-").replace("-binary", "") for name in declared("airflow")}
    assert (modules | declared("train") | declared("demo") | declared("console")) - {
        "argon2-cffi",
        "python-multipart",
    } <= set(EXTRAS)


def test_the_server_has_locked_dependencies_of_its_own() -> None:
    lock = (ROOT / "requirements/server.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert "psycopg" in names
    assert not names & (declared("airflow") | declared("train") | declared("demo"))
    assert lock.count("--hash=sha256:") > len(names)

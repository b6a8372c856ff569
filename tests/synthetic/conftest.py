"""Coalitions written to disk once per run, and one that is being served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.synthetic import Coalition, generate
from exchange.synthetic.day import write_day


@dataclass(frozen=True)
class Written:
    """A coalition and the folder its systems were written to."""

    coalition: Coalition
    folder: Path

    @property
    def partners(self) -> Path:
        return self.folder / "partners"

    @property
    def truth(self) -> Path:
        return self.folder / "truth"


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Five hundred people on the reference day."""
    written = Written(generate(500, seed=7), tmp_path_factory.mktemp("first"))
    write_day(written.coalition, written.folder)
    return written


@pytest.fixture(scope="session")
def second_day(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Nine hundred people, the reference day and the day after."""
    written = Written(generate(900, seed=7), tmp_path_factory.mktemp("second"))
    for day in (1, 2):
        write_day(written.coalition, written.folder, day)
    return written


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """environment.json of sixty people's partner systems, running in a process of their own."""
    with _served(tmp_path_factory.mktemp("served")) as environment:
        yield environment


@pytest.fixture
def systems_of_its_own(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same for a test that changes the systems."""
    with _served(tmp_path) as environment:
        yield environment


@contextmanager
def _served(folder: Path) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "exchange.synthetic", "serve", "--size", "60", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "READY\n"
            yield json.loads((folder / "environment.json").read_text())
        finally:
            process.terminate()

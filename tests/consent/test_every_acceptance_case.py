"""The table of docs/consent.md: every acceptance case is held by a test that exists and can fail."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from exchange.api.capability import served_types

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
TABLE = (ROOT / "docs/consent.md").read_text("utf-8").partition("## Acceptance cases")[2]
CASES = {int(number): _TEST.findall(tests) for number, _, tests in _ROW.findall(TABLE)}


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def checks(test: ast.FunctionDef) -> int:
    """Assertions and expected errors of a test."""
    asserts = sum(isinstance(node, ast.Assert) for node in ast.walk(test))
    return asserts + ast.unparse(test).count("pytest.raises")


def test_every_case_has_its_row():
    assert sorted(CASES) == list(range(1, 36))
    assert all(CASES.values())


@pytest.mark.parametrize(("number", "tests"), CASES.items(), ids=map(str, CASES))
def test_the_tests_of_a_case_are_run_and_can_fail(number, tests):
    found = [(name, functions(file).get(name)) for file, name in tests]
    assert [name for name, test in found if test is None] == []
    marks = [ast.unparse(mark) for _, test in found for mark in test.decorator_list]
    assert not [mark for mark in marks if "xfail" in mark or "mark.skip(" in mark]
    assert all(checks(test) for _, test in found)


# 28
def test_nothing_that_counts_people_is_served():
    """A total is of what the requester sees himself; who adds a measure thinks of cells below 11."""
    assert not {kind for kind in served_types() if "Measure" in kind or kind in ("Evidence", "Library")}

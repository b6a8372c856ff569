"""What was found wrong is told in the language of the reader: every finding of the code is known."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from time import process_time

import orjson
import pytest

from exchange.console.findings import TEMPLATES
from exchange.console.reasons import told
from exchange.console.speech import Speech
from exchange.model.primitives import PRIMITIVES

ROOT = Path(__file__).parents[2] / "exchange"
# Packages whose findings are kept with a record or shown beside a draft.
_FINDING = ("connectors", "consent/directives", "consent/dates.py", "formats", "landing.py", "mapping",
            "pipeline", "repository/disclosure", "validation", "consent/proof/checks.py")  # fmt: skip
_PLACES = {"RecordRejected": (0,), "Issue": (2,), "Flaw": (3, 4), "note": (2,)}
_HOLE = "7"  # a name or a number of a record


def _text(node: ast.expr) -> str | None:
    """What an expression says, with a number for what it fills in; None where it says what it was given."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_HOLE if isinstance(v, ast.FormattedValue) else str(v.value) for v in values)
    return None


def findings():
    for package in _FINDING:
        place = ROOT / package
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                name = getattr(
                    getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", "")
                )
                if isinstance(node, ast.Call) and name in _PLACES:
                    for index in _PLACES[name]:
                        text = _text(node.args[index]) if len(node.args) > index else None
                        if text and re.search("[a-z]{3}", text):
                            yield f"{file.relative_to(ROOT)}:{node.lineno}", text


def test_every_finding_of_the_code_is_a_template():
    found = list(findings())
    assert len(found) > 80
    assert [(place, text) for place, text in found if told(text, str) is None] == []


def test_every_constraint_of_a_resource_is_a_template():
    invariants = orjson.loads((ROOT / "validation/invariants.json").read_bytes())

    def comments(value):
        if isinstance(value, dict):
            yield from [value["$comment"]] if "$comment" in value else []
            for inner in value.values():
                yield from comments(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from comments(inner)

    words = {*comments(invariants), *(rule["$comment"] for rule in PRIMITIVES.values())}
    assert len(words) > 60
    assert {text for text in words if told(text, str) is None} == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the row has 3 columns, the header 18", "рядок має стовпців: 3, заголовок: 18"),
        ("per-1: start is after end", "per-1: початок пізніший за кінець"),
        ("a.yaml:3: `when.x`: no such field; valid here: a, b", "a.yaml:3: `when.x`: такого поля немає"),
    ],
)  # fmt: skip
def test_a_finding_is_told_with_its_names_as_they_are(opened, text, said):
    assert Speech("uk", opened).finding(text).startswith(said)


def test_words_that_are_not_ours_stay_as_they_are_and_take_no_time(opened):
    speech, started = Speech("uk", opened), process_time()
    assert [speech.finding(text) for text in ("Dr. Vega said so", "a: `b`: " * 200, "%(words)s" * 200)] == [
        None
    ] * 3
    assert process_time() - started < 5 * max(_taken(speech), 0.2)


def _taken(speech):
    started = process_time()
    for _ in range(100):
        speech.finding("no such words of ours")
    return process_time() - started


def test_every_template_is_found_by_itself():
    for template in TEMPLATES:
        assert told(template.replace("%(words)s", "missing"), str) is not None, template

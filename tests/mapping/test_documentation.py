"""The examples of docs/partners.md are what the engine does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.mapping.support import id_of, mapped

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(
    r"<!-- example: (\w+) -->\s*```yaml\n(.*?)```\s*```\w+\n(.*?)```\s*```json\n(.*?)```", re.DOTALL
)
EXAMPLES = EXAMPLE.findall((ROOT / "docs/partners.md").read_text())
CODES = {
    path.relative_to(ROOT / "mappings").as_posix(): path.read_text()
    for path in (ROOT / "mappings/_shared/codes").glob("*.csv")
}


def test_every_grammar_is_shown():
    assert {example[0] for example in EXAMPLES} == {"hl7v2", "ccda", "delimited", "fhir_json", "hsds_json"}


@pytest.mark.parametrize(("kind", "text", "source", "expected"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_an_example_makes_what_the_page_says(kind, text, source, expected):
    ids = re.sub(r"<([A-Z]\w+)\|([^>]+)>", lambda found: id_of(found.group(1), found.group(2)), expected)
    result = mapped(kind, text, source.replace("\n", "\r") if kind == "hl7v2" else source, CODES)
    assert list(result.resources) == json.loads(ids)

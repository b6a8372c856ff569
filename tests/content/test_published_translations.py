"""Other people's translations of C-CDA, field by field: where we differ is listed with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.content.ccda import NURSING
from tests.content.mapping import mapped
from tests.content.test_published_documents import DATA, document

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not DATA.exists(), reason="the published translations are not here"),
]
NOT_COMPARED = {"id", "meta", "text", "resourceType", "reference", "display", "contained", "system"}
"""Ids and order are each implementation's own; displays and systems follow from the codes."""

PAGE = Path(__file__).parents[2] / "docs/ccda.md"
DIFFERENT = frozenset(re.findall(r"^\| `(\w+\.\w+)` \|", PAGE.read_text(), re.MULTILINE))
"""Elements where we differ, with the reason, as docs/ccda.md lists them."""


def pairs() -> list:
    theirs = DATA / "ccda_fhir_converter"
    found = [
        (theirs / f"input/{path.name.removesuffix('-expected.json')}.ccda", path)
        for path in sorted((theirs / "expected").rglob("*.json"))
    ]
    features = DATA / "ccda_to_fhir_pypi"
    found += [
        (features / f"ccda/{path.stem}.xml", path) for path in sorted((features / "fhir").glob("*.json"))
    ]
    return found


def resources(text: bytes) -> list[dict]:
    found = orjson.loads(text)
    return [entry["resource"] for entry in found["entry"]] if found.get("entry") else [found]


def leaves(node) -> Iterator[str]:
    """What is said, wherever in the element it stands."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name not in NOT_COMPARED:
                yield from leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value)
    else:
        yield str(node).strip().lower()


def known_by(resource: dict) -> set[str]:
    found = resource.get("identifier", ())
    each = [found] if isinstance(found, dict) else found
    return {str(identifier.get("value", "")).lower() for identifier in each} - {""}


def counterparts(resource: dict, ours: list[dict]) -> list[dict]:
    """What we made of the same thing: the one patient, or what has an identifier of it."""
    alike = [each for each in ours if each["resourceType"] == resource["resourceType"]]
    whole = resource["resourceType"] == "Patient"
    return alike if whole else [each for each in alike if known_by(resource) & known_by(each)]


def differing(theirs: list[dict], ours: list[dict]) -> Iterator[str]:
    """`Type.element` of theirs that the same resource of ours does not say; the same: by identifier."""
    for resource in theirs:
        kind, same = resource["resourceType"], counterparts(resource, ours)
        for element, value in resource.items():
            if same and element not in NOT_COMPARED:
                said = set().union(*(leaves(each.get(element)) for each in same))
                if not set(leaves(value)) <= said:
                    yield f"{kind}.{element}"


@pytest.mark.parametrize(("source", "expected"), pairs(), ids=lambda path: path.stem[:40])
def test_what_another_translation_says_ours_says_or_the_difference_is_known(source, expected):
    ours = list(mapped(NURSING, "documents", document(source)).resources)
    theirs = resources(expected.read_bytes())
    found = set(differing(theirs, ours))
    assert any(counterparts(each, ours) for each in theirs)
    assert found - DIFFERENT == set()

"""Law of codes: where a code map translates, the source's own code stands beside the translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange.formats import Rejected, split
from exchange.mapping import Maps, compile_calls, load_maps, map_record
from exchange.model.errors import RecordRejected
from exchange.model.records import Document
from tests.content.test_maps import FILES, PARTNERS, SAMPLES

# A Coding alone has room for one code: what was sent is in the record and in the lineage.
ALONE = ("class", "valueCoding")
# The source's code says what is negated: beside "no known allergy" it would say the contrary.
NEGATED = (
    "AllergyIntolerance.code(NothingKnown).coding",
    "AllergyIntolerance.code(SubstanceNotKnown).coding",
)
Told = tuple[str, str, str, tuple[tuple[str, str], ...]]


# Maps that nobody else compiles: what is kept of earlier ones would not be watched.
WATCHED = {
    "_shared/codes/watched.csv": "source_system,source_code,target_system,target_code,target_display,"
    "equivalence,from,to\n"
}


@pytest.fixture(scope="module")
def translations() -> Iterator[tuple[list[Told], Callable[[str], Maps]]]:
    """Each translation as it happens (row, element, source code, targets), and a partner's maps."""
    told: list[Told] = []
    plain = compile_calls._translation

    def watched(code_map: Any, shape: Any, place: Any, spot: Any) -> Any:
        one = plain(code_map, shape, place, spot)

        def watch(run: Any, code: Any, system: str | None) -> Any:
            found = code_map.find(str(code), system, run.day if code_map.dated else "")
            targets = tuple((target.system, target.code) for target in found if target.code)
            if targets and shape is not compile_calls._code:
                told.append((f"{spot.node.file}:{spot.node.line}", spot.element, str(code), targets))
            return one(run, code, system)

        return watch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile_calls, "_translation", watched)
        yield told, lambda code: load_maps({**FILES, **WATCHED}, PARTNERS[code])


def test_a_translation_is_watched(translations):
    told, maps = translations
    code, _, feed, name = next(path for path in SAMPLES if path.endswith(".hl7")).split("/", 3)
    document = Document(feed, name, FILES[f"{code}/samples/{feed}/{name}"].encode())
    for piece in split(document, PARTNERS[code].feeds[feed], PARTNERS[code]):
        map_record(piece, maps(code))
    assert told


def _concepts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "coding" in value:
            yield value
        for inner in value.values():
            yield from _concepts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _concepts(inner)


def _kept(told: Told, concepts: list[dict[str, Any]]) -> bool:
    _, _, code, targets = told
    around = [
        concept
        for concept in concepts
        if any((coding.get("system"), coding.get("code")) in targets for coding in concept["coding"])
    ]
    return not around or any(
        concept.get("text") == code or any(coding.get("code") == code for coding in concept["coding"])
        for concept in around
    )


@pytest.mark.parametrize("path", SAMPLES)
def test_the_source_s_code_stands_beside_its_translation(path, translations):
    told, maps = translations
    code, _, feed, name = path.split("/", 3)
    partner = PARTNERS[code]
    made = maps(code)  # what is the same for every record is translated now, and is not this one's
    lost = set()
    for piece in split(Document(feed, name, FILES[path].encode()), partner.feeds[feed], partner):
        told.clear()
        if isinstance(piece, Rejected):
            continue
        try:
            mapped = map_record(piece, made)
        except RecordRejected:
            continue
        concepts = list(_concepts(list(mapped.resources)))
        lost |= {
            (row, element, source)
            for row, element, source, targets in told
            if not element.endswith(ALONE) and element not in NEGATED
            if not _kept((row, element, source, targets), concepts)
        }
    assert lost == set()

"""Other people's messages and bundles: all of them are mapped or rejected with a reason."""

from __future__ import annotations

import bz2
import gzip
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.content import load_partners, read_tree
from exchange.formats import Rejected, split
from exchange.mapping import Maps, load_maps, map_record
from exchange.model.errors import RecordRejected
from exchange.model.partner import Feed
from exchange.model.records import Document, Format
from exchange.validation import validate
from tests.content.mapping import ROOT

DATA = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parents[1] / "shared")) / "data"
OPEN = {".gz": gzip.open, ".bz2": bz2.open}

pytestmark = pytest.mark.external


def _maps(kind: Format, path: str) -> Maps:
    """A partner that has nothing of its own but partner.yaml."""
    files = read_tree(ROOT)
    partner = load_partners(files)["county_health"]
    return load_maps(files, partner.model_copy(update={"feeds": {"all": Feed(format=kind, map=path)}}))


def _paths(*patterns: str) -> list[Path]:
    found = sorted(path for pattern in patterns for path in DATA.glob(pattern))
    if not found:
        pytest.skip("the shared data sets are not here")
    return found


def _outcomes(paths: list[Path], maps: Maps) -> Iterator[tuple[str, str]]:
    for path in paths:
        payload = OPEN.get(path.suffix, open)(path, "rb").read()
        for piece in split(Document("all", path.name, payload), maps.partner.feeds["all"], maps.partner):
            yield path.name, _outcome(piece, maps)


def _outcome(piece, maps: Maps) -> str:
    if isinstance(piece, Rejected):
        return f"rejected: {piece.issue.detail}"
    try:
        found = map_record(piece, maps)
    except RecordRejected as error:
        return f"rejected: {error}"
    issues = [issue for resource in found.resources[:50] for issue in validate(resource)]
    wrong = [issue for issue in (*found.issues, *issues) if issue.severity == "error"]
    return f"wrong: {wrong[0].expression} {wrong[0].detail}" if wrong else "mapped"


def test_every_hl7_message_is_mapped_or_rejected_with_a_reason():
    outcomes = list(_outcomes(_paths("hl7v2*/**/*.hl7"), _maps("hl7v2", "_shared/maps/hl7v2.map.yaml")))
    counts = Counter(outcome for _, outcome in outcomes)
    assert counts["mapped"] >= 20
    assert {outcome for outcome in counts if outcome.startswith("wrong")} == set()
    assert all("not mapped" in o or "PID-3" in o for o in counts if o.startswith("rejected"))


@pytest.mark.parametrize("pattern", ["synthea_fhir_blaze/*.bz2", "synthea_fhir_smart150/*.gz"])
def test_synthea_bundles_become_valid_resources(pattern):
    outcomes = list(_outcomes(_paths(pattern)[:12], _maps("fhir_json", "_shared/maps/fhir_r4.map.yaml")))
    assert {outcome for _, outcome in outcomes} == {"mapped"}


def test_bulk_export_lines_become_valid_resources():
    paths = _paths("synthea_bulk_export/*/[A-Z]*.ndjson.gz")
    outcomes = Counter(o for _, o in _outcomes(paths, _maps("fhir_json", "_shared/maps/fhir_r4.map.yaml")))
    assert outcomes.keys() == {"mapped"}


def test_every_r4_example_is_mapped_or_rejected_with_a_reason():
    paths = _paths("fhir_r4_spec/**/*.json")[:400]
    outcomes = Counter(o for _, o in _outcomes(paths, _maps("fhir_json", "_shared/maps/fhir_r4.map.yaml")))
    assert outcomes["mapped"] > 0.98 * outcomes.total()

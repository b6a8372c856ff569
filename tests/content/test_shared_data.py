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
from exchange.validation import check_references, validate
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


FHIR = "_shared/maps/fhir_r4.map.yaml"
SETS = [
    pytest.param("synthea_fhir_blaze/*.bz2", 14, {}, id="transactions, conditional references"),
    pytest.param("synthea_fhir_hiv79/*.gz", 8, {}, id="hospital and practitioner batches"),
    pytest.param("synthea_fhir_smart150/*.gz", 40, {}, id="organizations under new ids"),
    pytest.param(
        "synthea_bulk_export/10-patients/[A-Z]*.ndjson.gz",
        99,
        {"identified": ["Organization", "Practitioner", "Location"]},
        id="bulk export, conditional references",
    ),
]


def _fhir_maps(options: dict) -> Maps:
    maps = _maps("fhir_json", FHIR)
    feed = maps.partner.feeds["all"].model_copy(update={"options": options})
    return load_maps(maps.files, maps.partner.model_copy(update={"feeds": {"all": feed}}))


def _resources(paths: list[Path], maps: Maps) -> Iterator[dict]:
    for path in paths:
        payload = OPEN.get(path.suffix, open)(path, "rb").read()
        for piece in split(Document("all", path.name, payload), maps.partner.feeds["all"], maps.partner):
            assert not isinstance(piece, Rejected), piece.issue.detail
            found = map_record(piece, maps)
            assert [issue for issue in found.issues if issue.severity == "error"] == []
            yield from found.resources


@pytest.mark.parametrize(("pattern", "most", "options"), SETS)
def test_every_resource_of_synthea_is_valid_and_every_reference_leads_to_one(pattern, most, options):
    made = list(_resources(_paths(pattern)[:most], _fhir_maps(options)))
    issues = [issue for resource in made for issue in validate(resource) if issue.severity == "error"]
    assert issues == []
    assert check_references(made, lambda _reference: False) == ()


def test_an_organization_under_a_new_id_in_each_bundle_becomes_one():
    made = list(_resources(_paths("synthea_fhir_smart150/*.gz")[:40], _fhir_maps({})))
    for kind in ("Organization", "Practitioner"):
        known: dict[str, set[str]] = {}
        for resource in made:
            if resource["resourceType"] == kind:
                token = "{system}|{value}".format(**resource["identifier"][0])
                known.setdefault(token, set()).add(resource["id"])
        assert len(known) > 10
        assert max(map(len, known.values())) == 1


def test_every_r4_example_is_mapped_or_rejected_with_a_reason():
    outcomes = Counter(
        o for _, o in _outcomes(_paths("fhir_r4_spec/examples/*.json"), _maps("fhir_json", FHIR))
    )
    assert outcomes["mapped"] > 0.98 * outcomes.total()

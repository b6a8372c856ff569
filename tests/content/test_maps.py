"""Every map of `mappings/` on its samples: what is written down under expected/ is what comes out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from exchange.content import load_partners, read_tree
from exchange.mapping import load_maps
from exchange.mapping.golden import SHARED, Golden, golden_cases, shared_maps
from exchange.model.errors import ContentError
from exchange.model.partner import Feed
from exchange.model.records import Files
from exchange.validation import check_references, validate

ROOT = Path(__file__).parents[2] / "mappings"


def _goldens_on_disk() -> Files:
    paths = (path for part in ("samples", "expected") for path in ROOT.glob(f"*/{part}/*/*"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


FILES: Files = {**read_tree(ROOT), **_goldens_on_disk()}
PARTNERS = {**load_partners(FILES), SHARED: shared_maps(FILES)}
SENDERS = sorted(code for code, partner in PARTNERS.items() if partner.feeds)
SAMPLES = sorted(path for path in FILES if "/samples/" in path)


@cache
def _cases(code: str) -> dict[str, Golden]:
    return {case.sample: case for case in golden_cases(FILES, PARTNERS[code])}


def _case(path: str) -> Golden:
    return _cases(path.split("/")[0])[path]


def _resources(path: str) -> list[dict]:
    outputs = json.loads(_case(path).actual)
    return [resource for output in outputs for resource in output.get("resources", [])]


@pytest.mark.parametrize("code", SENDERS)
def test_every_feed_of_a_partner_has_a_sample(code):
    assert {path.split("/")[2] for path in _cases(code)} == set(PARTNERS[code].feeds)


@pytest.mark.parametrize("path", SAMPLES)
def test_a_sample_becomes_what_is_expected(path):
    case = _case(path)
    assert case.expected is not None
    assert json.loads(case.actual) == json.loads(case.expected)


@pytest.mark.parametrize("path", SAMPLES)
def test_a_golden_test_fails_when_any_one_expected_value_is_different(path):
    case = _case(path)
    flipped = [Golden(case.sample, case.expected_path, text, case.actual) for text in _flipped(case.actual)]
    assert case.holds
    assert flipped
    assert not any(other.holds for other in flipped)


@pytest.mark.parametrize("path", SAMPLES)
def test_what_is_published_of_a_sample_is_valid_fhir(path):
    outputs = json.loads(_case(path).actual)
    usable = [output for output in outputs if not _has_error(output)]
    issues = [issue for output in usable for r in output.get("resources", []) for issue in validate(r)]
    assert [(i.expression, i.detail) for i in issues if i.severity == "error"] == []


@pytest.mark.parametrize("path", [p for p in SAMPLES if p.endswith(".hl7")])
def test_references_of_a_message_lead_to_resources_of_the_sample_or_to_its_sender(path):
    made = _resources(path)
    known = {f"{r['resourceType']}/{r['id']}" for r in made}
    issues = check_references(
        made, lambda reference: reference in known or reference.startswith("Organization/")
    )
    assert [issue.expression for issue in issues] == []


def _has_error(output: dict) -> bool:
    return any(issue["severity"] == "error" for issue in output.get("issues", []))


def _flipped(text: str) -> list[str]:
    """The outputs with one leaf changed, for each leaf."""
    parsed = json.loads(text)
    variants = []
    for holder, key in _leaves(parsed):
        kept = holder[key]
        holder[key] = not kept if isinstance(kept, bool) else f"{kept}!"
        variants.append(json.dumps(parsed))
        holder[key] = kept
    return variants[:: max(1, len(variants) // 15)]


def _leaves(node):
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in pairs:
        if isinstance(value, (dict, list)):
            yield from _leaves(value)
        else:
            yield node, key


@pytest.mark.parametrize(("kind", "name"), [("fhir_json", "fhir_r4"), ("hl7v2", "hl7v2"), ("ccda", "ccda")])
def test_a_new_partner_needs_nothing_but_its_partner_file(kind, name):
    feed = Feed(format=kind, map=f"_shared/maps/{name}.map.yaml")
    partner = PARTNERS["prairie_clinic"].model_copy(update={"code": "maple_clinic", "feeds": {"all": feed}})
    assert load_maps(FILES, partner).feeds["all"].entries


def test_a_sample_of_no_feed_and_an_output_without_a_sample_are_refused():
    lost = {**FILES, "prairie_clinic/expected/resources/lost.json": "[]"}
    with pytest.raises(ContentError, match="no sample"):
        golden_cases(lost, PARTNERS["prairie_clinic"])
    with pytest.raises(ContentError, match="resources"):
        golden_cases({**FILES, "prairie_clinic/samples/other/a.json": "{}"}, PARTNERS["prairie_clinic"])

"""What is copied from a partner's FHIR is told in the lineage as what a row fills is."""

from __future__ import annotations

import orjson
import pytest

from exchange.mapping import trace_record
from exchange.model.records import SourceRecord
from tests.content.mapping import maps_of

OBSERVATION = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {"versionId": "7"},
    "status": "final",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                              "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
    "subject": {"reference": "Patient/p"},
    "effectiveDateTime": "2026-03-01",
    "valueString": "5.5",
}  # fmt: skip


def traced(*resources):
    maps = maps_of("prairie_clinic")
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    content = resources[0] if len(resources) == 1 else bundle
    payload = orjson.dumps(content)
    return trace_record(
        SourceRecord("prairie_clinic", "resources", "k", "fhir_json", payload, "page 1 entry 4"), maps
    )


def test_every_element_has_the_place_and_the_row_that_made_it_once():
    found = traced(OBSERVATION)
    elements = [element for element, *_ in found]
    assert sorted(elements) == sorted(set(elements))
    told = {"id", "status", "category", "code", "subject", "effectiveDateTime", "valueString"}
    assert {element.removeprefix("Observation.") for element in elements} >= told
    by_element = {element: (source, row) for element, source, row, _ in found}
    assert by_element["Observation.code"][0] == "page 1 entry 4 code"
    assert by_element["Observation.code"][1].endswith(" copy")
    assert not by_element["Observation.category"][1].endswith(" copy")  # a row of the map made it


def test_the_partners_own_version_is_not_copied_and_not_told():
    assert [element for element, *_ in traced(OBSERVATION) if "meta" in element] == []


def test_each_resource_of_a_bundle_is_told():
    practitioner = {"resourceType": "Practitioner", "id": "9", "name": [{"family": "Vega"}]}
    elements = {element for element, *_ in traced(OBSERVATION, practitioner)}
    assert {"Observation.code", "Practitioner.name"} <= elements


def test_each_of_two_resources_of_one_type_is_told():
    elements = [element for element, *_ in traced(OBSERVATION, {**OBSERVATION, "id": "2"})]
    assert elements.count("Observation.code") == 2


@pytest.mark.parametrize("kind", ["Claim", "Practitioner"])
def test_types_that_no_entry_names_are_told_by_the_entry_that_takes_any(kind):
    found = traced({"resourceType": kind, "id": "2", "language": "en"})
    assert (f"{kind}.language", "page 1 entry 4 language") in [(e, source) for e, source, *_ in found]

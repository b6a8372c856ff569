"""Other people's FHIR: the specification's own examples and Synthea's bundles."""

import bz2
from pathlib import Path

import orjson
import pytest

from exchange.validation import validate

DATA = Path(__file__).parents[3] / "shared/data"
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not here"),
]

GENUINE_FAULTS = {
    "DeviceMetric-example": "parent refers to a DeviceDefinition; R4 allows Device",
    "DeviceUseStatement-example": "reasonReference has free text as its reference",
    "MedicationRequest-medrx0301": "dispenseRequest.performer is a Practitioner; R4 allows Organization",
    "Observation-clinical-gender": "performer has a reference that is no reference",
    "Questionnaire-qs1": "nested items have no linkId",
}


def _errors(resource):
    return [issue for issue in validate(resource) if issue.severity == "error"]


def test_the_examples_of_the_r4_specification_are_valid_but_for_five_genuine_faults():
    files = sorted((DATA / "fhir_r4_spec/examples").glob("*.json"))

    refused = {f.stem for f in files if _errors(orjson.loads(f.read_bytes()))}

    assert len(files) > 700
    assert refused == set(GENUINE_FAULTS)


def test_no_synthea_resource_is_refused():
    checked = 0
    for file in sorted((DATA / "synthea_fhir_blaze").glob("*.json.bz2"))[:10]:
        for entry in orjson.loads(bz2.decompress(file.read_bytes()))["entry"]:
            assert _errors(entry["resource"]) == []
            checked += 1
    assert checked > 1000

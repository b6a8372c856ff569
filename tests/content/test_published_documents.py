"""Other people's C-CDA: HL7's section examples, vendors' documents, fragments."""

import re
from pathlib import Path

import orjson
import pytest

from exchange.model.errors import RecordRejected
from exchange.validation import validate
from tests.content.ccda import NURSING
from tests.content.mapping import mapped

DATA = Path(__file__).parents[3] / "shared/data"
SETS = ("ccda_hl7_examples", "ccda_on_fhir_vendors", "ccda_to_fhir_pypi", "ccda_fhir_converter")
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not DATA.exists(), reason="the published documents are not here"),
]

_HEADER = {
    "recordTarget",
    "author",
    "custodian",
    "componentOf",
    "documentationOf",
    "participant",
    "informant",
}
_OPEN = (
    '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:cda="urn:hl7-org:v3"'
    ' xmlns:voc="urn:hl7-org:v3/voc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<id root="1.2.3.4"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>'
    '<effectiveTime value="20240101"/><recordTarget><patientRole><id root="1.2.3" extension="p"/><patient>'
    "<name><given>A</given><family>B</family></name></patient></patientRole></recordTarget>"
)


def files():
    for name in SETS:
        yield from sorted((DATA / name).rglob("*.xml"))
        yield from sorted((DATA / name).rglob("*.ccda"))


def document(file):
    """The file as a document: an example of a section or entry gets the rest around it."""
    text = re.sub(r"<\?.*?\?>|<!--.*?-->", "", file.read_text(errors="replace"), flags=re.DOTALL)
    body = text.lstrip("\ufeff").strip()
    named = re.match(r"<(?:\w+:)?(\w+)", body)
    root = named.group(1) if named else ""
    if root == "ClinicalDocument":
        return body.encode()
    return f"{_OPEN}{_placed(root, body)}</ClinicalDocument>".encode()


def _placed(root, body):
    if root in _HEADER:
        return body
    if root != "component":
        entry = body if root == "entry" else f"<entry>{body}</entry>"
        section = body if root == "section" else f"<section><text>t</text>{entry}</section>"
        body = f"<component>{section}</component>"
    return f"<component><structuredBody>{body}</structuredBody></component>"


def test_every_document_maps_to_valid_resources_or_is_rejected_with_a_reason():
    made, refused, faulty = 0, 0, set()
    for file in files():
        try:
            found = mapped(NURSING, "documents", document(file))
        except RecordRejected:
            refused += 1
            continue
        made += len(found.resources)
        if any(issue.severity == "error" for resource in found.resources for issue in validate(resource)):
            faulty.add(file.name)

    assert made > 1700
    assert refused < 5
    assert faulty == set()


TOLD_OTHERWISE = {
    "55607006",  # no known problems: 160245001 here
    "76689-9",  # birth sex: an extension of the Patient here
    "8480-6",  # the two pressures: components of 85354-9 here
    "8462-4",
}
KEPT_AS_TEXT = {"274025005", "75274-1", "75275-8", "75281-6", "75303-8", "75305-3", "ASSERTION"}
"""Functional status and family history have no map yet."""


@pytest.mark.parametrize(
    "name", ["Discharge_Summary", "Transfer_Summary", "Consultation_Note", "Patient-1", "Care_Plan"]
)
def test_no_code_of_the_published_translation_is_missing(name):
    folder = DATA / "ccda_fhir_converter"
    (expected,) = folder.rglob(f"{name}-expected.json")
    theirs = [entry["resource"] for entry in orjson.loads(expected.read_bytes())["entry"]]
    ours = mapped(NURSING, "documents", (folder / f"input/{name}.ccda").read_bytes()).resources

    assert _codes(theirs) - _codes(ours) <= TOLD_OTHERWISE | KEPT_AS_TEXT


def _codes(resources):
    elements = ("code", "vaccineCode", "medicationCodeableConcept")
    clinical = {
        "Condition",
        "AllergyIntolerance",
        "MedicationRequest",
        "Immunization",
        "Procedure",
        "Observation",
    }
    return {
        coding.get("code")
        for resource in resources
        if resource["resourceType"] in clinical
        for element in elements
        for coding in resource.get(element, {}).get("coding", ())
    }

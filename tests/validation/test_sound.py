"""What passes in one walk is what the long reading has nothing to tell of."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.validation import told, validate, validated
from exchange.validation.sound import is_sound
from tests.validation.strategies import DEFECTS, changed, places, resources
from tests.validation.test_agreement import many
from tests.validation.test_validate import OBSERVATION

EXPECTED = sorted((Path(__file__).parents[2] / "mappings").glob("*/expected/**/*.json"))
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
PATIENT = {
    "resourceType": "Patient",
    "meta": {"profile": [f"{US_CORE}patient"]},
    "identifier": [{"system": "urn:x", "value": "1"}],
    "name": [{"family": "Reyes", "period": {"start": "2020", "end": "2021"}}],
    "gender": "female",
    "birthDate": "1980-01-02",
}
NO_NPI = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567890"}
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def _put(path, value):
    def change(resource):
        *steps, last = path
        node = resource
        for step in steps:
            node = node[step]
        node[last] = value

    return change


def _with(resource, path, value):
    copied = json.loads(json.dumps(resource))
    _put(path, value)(copied)
    return copied


def _made():
    for path in EXPECTED:
        for output in json.loads(path.read_text()):
            yield from output.get("resources", [])


def _holding(inner):
    return {**OBSERVATION, "subject": {"reference": "#1"}, "contained": [inner]}


TELLING = {
    "a NUL in a text": _with(PATIENT, ("name", 0, "family"), "Rey\0es"),
    "a NUL in a reference": _with(OBSERVATION, ("subject", "reference"), "urn:x\0"),
    "a NUL in a list of texts": _with(PATIENT, ("name", 0, "given"), ["A\0"]),
    "a period that ends first": _with(PATIENT, ("name", 0, "period", "end"), "2019"),
    "a range upside down": _with(
        OBSERVATION,
        ("referenceRange",),
        [{"low": {"value": 3, "code": "1"}, "high": {"value": 2, "code": "1"}}],
    ),
    "a number of nobody knows whom": _with(PATIENT, ("identifier", 0, "system"), "MRN"),
    "no unit of UCUM": _with(OBSERVATION, ("valueQuantity", "code"), "mgs"),
    "no code of HL7's table": _with(OBSERVATION, ("code", "coding"), [{"system": V2, "code": "?"}]),
    "active content": _with(
        OBSERVATION, ("text",), {"status": "generated", "div": '<div onclick="x()">a</div>'}
    ),
    "a reference to nothing inside": _with(OBSERVATION, ("subject", "reference"), "#1"),
    "born too early": _with(PATIENT, ("birthDate",), "1849-12-31"),
    "seen in a year to come": _with(OBSERVATION, ("effectiveDateTime",), "2999-01-01"),
    "reported too early": _with(OBSERVATION, ("issued",), "1753-01-01T00:00:00Z"),
    "dead before birth": _with(PATIENT, ("deceasedDateTime",), "1979"),
    "an NPI that is none": {
        "resourceType": "Organization",
        "active": True,
        "name": "x",
        "identifier": [NO_NPI],
    },
    "a demand of US Core": {name: value for name, value in PATIENT.items() if name != "gender"},
    "a demand below an element": _with(PATIENT, ("identifier", 0), {"value": "1"}),
    "a category of US Core": _with(OBSERVATION, ("category", 0, "coding", 0, "code"), "survey"),
    "a time not known to the day": _with(OBSERVATION, ("effectiveDateTime",), "2024-02"),
    "an unknown element": {**PATIENT, "colour": "red"},
    "a profile that is no text": _with(PATIENT, ("meta", "profile"), [{}]),
    "a reference beside what is inside": _holding({"resourceType": "Patient", "id": "2"}),
    "what is wrong inside": _holding({"resourceType": "Patient", "id": "1", "gender": "m"}),
    "a version of what is inside": _holding(
        {"resourceType": "Patient", "id": "1", "meta": {"versionId": "1"}}
    ),
    "something inside what is inside": _holding(
        {"resourceType": "Patient", "id": "1", "contained": [PATIENT]}
    ),
    "a reference from inside to nothing": _holding(
        {"resourceType": "Patient", "id": "1", "managingOrganization": {"reference": "#2"}}
    ),
    "nothing known inside": _holding({"resourceType": "Starship", "id": "1"}),
    "no object inside": _holding(1),
}


@pytest.mark.parametrize("name", TELLING)
def test_what_is_to_be_told_is_not_passed_in_one_walk(name):
    assert told(TELLING[name])
    assert not is_sound(TELLING[name])
    assert validate(TELLING[name]) == told(TELLING[name])


def test_what_holds_others_passes_in_one_walk():
    whole = _holding({**PATIENT, "id": "1", "link": [{"other": {"reference": "#"}, "type": "refer"}]})
    assert told(whole) == ()
    assert is_sound(whole)


def test_what_our_maps_make_passes_in_one_walk_unless_something_is_told_of_it():
    read = [(is_sound(resource), told(resource)) for resource in list(_made())[::4]]
    assert [issues for passed, issues in read if passed and issues] == []
    silent = [passed for passed, issues in read if not issues]
    assert sum(silent) > 0.97 * len(silent)


@pytest.mark.parametrize("type_name", ["Patient", "Observation", "Condition", "Organization", "Consent"])
@given(data=st.data())
@settings(many, max_examples=8)
def test_nothing_is_passed_of_which_the_long_reading_tells(type_name, data):
    whole = data.draw(resources(type_name))
    for path in data.draw(st.lists(st.sampled_from(list(places(whole))), min_size=1, max_size=8)):
        broken = changed(whole, path, DEFECTS[data.draw(st.sampled_from(sorted(DEFECTS)))])
        assert validate(broken) == told(broken), (path, broken)


def test_an_object_that_comes_again_is_read_once():
    told_of = {**PATIENT, "gender": "banana"}
    check = validated([told_of, PATIENT, told_of])
    told_of["gender"] = "female"
    assert [issue.code for issue in check(told_of)] == ["code-invalid"]
    assert check(PATIENT) == ()

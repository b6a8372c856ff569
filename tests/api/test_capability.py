"""The CapabilityStatement says what is there, no more and no less."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from exchange.api.capability import capability_statement


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


@pytest.fixture
def statement(api):
    return api.get("/fhir/metadata").json()


def test_it_is_a_valid_capabilitystatement_and_needs_no_token(statement):
    assert CapabilityStatement.model_validate(statement).fhirVersion == "4.0.1"


def test_every_type_and_parameter_it_names_is_served(statement, ask, software, token_of):
    token = token_of(software)
    for resource in statement["rest"][0]["resource"]:
        for parameter in resource.get("searchParam", ()):
            if parameter["name"] in ("_id", "_lastUpdated"):
                continue
            word = "=http://loinc.org|1$2026" if parameter["type"] == "composite" else ":missing=true"
            missing = f"{resource['type']}?{parameter['name']}{word}"
            assert ask(software, missing, token=token).status_code == 200, missing


def test_it_tells_the_profiles_that_are_checked_and_the_kinds_that_r4_defines(statement):
    told = {resource["type"]: resource for resource in statement["rest"][0]["resource"]}
    us_core = "http://hl7.org/fhir/us/core/StructureDefinition"
    assert told["Patient"]["supportedProfile"] == [f"{us_core}/us-core-patient"]
    assert f"{us_core}/us-core-blood-pressure" in told["Observation"]["supportedProfile"]
    assert "supportedProfile" not in told["Claim"]
    kinds = {p["name"]: p["type"] for p in told["QuestionnaireResponse"]["searchParam"]}
    assert (kinds["questionnaire"], kinds["_profile"]) == ("reference", "uri")


def test_a_type_it_does_not_name_is_not_served(statement, ask, software):
    named = {resource["type"] for resource in statement["rest"][0]["resource"]}
    assert "AuditEvent" not in named
    assert ask(software, "AuditEvent").status_code == 404


def test_pages_of_other_origins_and_bundles_that_are_pushed_are_told_of(service, clock, statement):
    (rest,) = statement["rest"]
    (open_,) = capability_statement(replace(service, origins=("https://app.example",)), clock())["rest"]
    assert (rest["security"]["cors"], open_["security"]["cors"]) == (False, True)
    assert [one["code"] for one in rest["interaction"]] == ["transaction", "batch"]


def test_what_a_participant_may_state_of_a_patient_is_named(statement):
    named = {
        resource["type"]: {operation["name"] for operation in resource.get("operation", ())}
        for resource in statement["rest"][0]["resource"]
    }
    assert [kind for kind, operations in named.items() if operations & _STATED] == ["Patient"]
    assert named["Patient"] >= _STATED


def _asked(resource, key):
    """A request for every interaction, operation and inclusion that the statement names of a type."""
    kind = resource["type"]
    interactions = {
        "read": f"{kind}/{key}",
        "vread": f"{kind}/{key}/_history/1",
        "history-instance": f"{kind}/{key}/_history",
        "history-type": f"{kind}/_history",
        "search-type": kind,
    }
    for interaction in resource["interaction"]:
        yield "GET", interactions[interaction["code"]], {}
    for include in resource.get("searchInclude", ()):
        yield "GET", f"{kind}?_include={include}", {}
    for include in resource.get("searchRevInclude", ()):
        yield "GET", f"{kind}?_revinclude={include}", {}
    for operation in resource.get("operation", ()):
        if operation["name"] != "export":  # tests of the export ask for it
            yield _OPERATIONS[operation["name"]](kind, key)


_BODY = {"resourceType": "Patient", "name": [{"family": "Ames", "given": ["Ana"]}], "birthDate": "1980-01-01"}
_STATED = {"break-glass", "attest-relationship"}
_NOTHING_TOLD = {"resourceType": "Parameters"}
_OPERATIONS = {
    "everything": lambda kind, key: ("GET", f"{kind}/{key}/$everything", {}),
    "summary": lambda kind, key: ("GET", f"{kind}/{key}/$summary", {}),
    "match": lambda kind, key: ("POST", f"{kind}/$match", {"json": _BODY}),
    "lastn": lambda kind, key: ("GET", f"{kind}/$lastn?patient={key}", {}),
    "docref": lambda kind, key: ("GET", f"{kind}/$docref?patient={key}", {}),
    "break-glass": lambda kind, key: ("POST", f"{kind}/{key}/$break-glass", {"json": _NOTHING_TOLD}),
    "attest-relationship": lambda kind, key: (
        "POST",
        f"{kind}/{key}/$attest-relationship",
        {"json": _NOTHING_TOLD},
    ),
    "validate": lambda kind, key: ("POST", f"{kind}/$validate", {"json": {"resourceType": kind}}),
}


def test_every_interaction_inclusion_and_operation_it_names_is_served(statement, ask, software, token_of):
    token, key = token_of(software), "00000000-0000-5000-8000-000000000000"
    for resource in statement["rest"][0]["resource"]:
        if resource["type"] in ("Group", "Subscription"):  # written too: tests of their own ask for them
            continue
        for method, path, options in _asked(resource, key):
            answer = ask(software, path, method=method, token=token, **options)
            stated = path.rpartition("$")[2] in _STATED  # without the scope, or what the law asks to be said
            assert answer.status_code in ((403, 422) if stated else (200, 404)), path
            codes = [issue["code"] for issue in answer.json().get("issue", ())]
            assert "not-supported" not in codes, path


def test_an_operation_it_does_not_name_is_not_served(statement, ask, software, token_of):
    token = token_of(software)
    for resource in statement["rest"][0]["resource"]:
        named = {operation["name"] for operation in resource.get("operation", ())}
        for name in _OPERATIONS.keys() - named:
            method, path, _ = _OPERATIONS[name](resource["type"], "7")
            answer = ask(software, path, method=method, token=token)
            assert answer.json()["issue"][0]["code"] == "not-supported", path

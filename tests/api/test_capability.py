"""The CapabilityStatement says what is there, no more and no less."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement


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
        if {"code": "search-type"} not in resource["interaction"]:
            continue
        assert ask(software, resource["type"], token=token).status_code == 200
        for parameter in resource["searchParam"]:
            word = "=http://loinc.org|1$2026" if parameter["type"] == "composite" else ":missing=true"
            missing = f"{resource['type']}?{parameter['name']}{word}"
            assert ask(software, missing, token=token).status_code == 200, missing


def test_a_type_it_does_not_name_is_not_served(statement, ask, software):
    named = {resource["type"] for resource in statement["rest"][0]["resource"]}
    assert "AuditEvent" not in named
    assert ask(software, "AuditEvent").status_code == 404

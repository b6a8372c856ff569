import json
import tarfile
from pathlib import Path

import pytest

from exchange.model.fhir_types import element_at
from exchange.model.terms import US_CORE_PROFILE, US_CORE_PROFILES
from exchange.validation import validate
from exchange.validation.us_core import demands

PACKAGE = Path(__file__).parents[3] / "shared/data/uscore_packages/us_core_610.tgz"
NAMED_BY_SLICE = {"us-core-coverage", "us-core-pulse-oximetry", "us-core-provenance"}


def warnings(resource):
    return [(issue.expression, issue.detail) for issue in validate(resource) if issue.severity == "warning"]


def test_a_patient_without_what_us_core_demands_is_warned_about():
    patient = {"resourceType": "Patient", "telecom": [{"system": "phone"}], "name": [{"text": "A B"}]}

    assert warnings(patient) == [
        ("Patient", "US Core requires identifier (us-core-patient)"),
        ("Patient.name[0]", "US Core requires family or given (us-core-patient)"),
        ("Patient.telecom[0]", "US Core requires value (us-core-patient)"),
        ("Patient", "US Core requires gender (us-core-patient)"),
    ]


def test_a_reason_for_absence_counts():
    absent = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "1"}],
        "name": [{"extension": absent}],
        "_gender": {"extension": absent},
    }

    assert warnings(patient) == []


def test_the_declared_profile_decides_among_several_of_a_type():
    smoking = {
        "resourceType": "Observation",
        "meta": {"profile": [US_CORE_PROFILE + "us-core-smokingstatus|6.1.0"]},
        "status": "final",
        "code": {"text": "Tobacco smoking status"},
    }
    undeclared = {name: value for name, value in smoking.items() if name != "meta"}

    assert [place for place, _ in warnings(smoking)] == ["Observation"] * 4
    assert warnings(undeclared) == []


def test_an_npi_with_a_wrong_check_digit_is_warned_about():
    organization = {
        "resourceType": "Organization",
        "active": True,
        "name": "Lakeside",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999999902"}],
    }

    assert [place for place, _ in warnings(organization)] == ["Organization.identifier[0].value"]


def test_a_demand_may_hang_on_the_status():
    report = {
        "resourceType": "DiagnosticReport",
        "meta": {"profile": [US_CORE_PROFILE + "us-core-diagnosticreport-lab"]},
        "status": "registered",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}
        ],
        "code": {"text": "Panel"},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-11-03",
    }

    assert warnings(report) == []
    assert warnings({**report, "status": "final"}) == [
        ("DiagnosticReport", "US Core requires issued (us-core-diagnosticreport-lab)")
    ]


def test_a_code_that_hl7s_table_does_not_list_is_warned_about():
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"text": "visit"}],
        "subject": {"reference": "Patient/1"},
        "serviceType": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0069", "code": "EM"}]
        },
    }

    assert warnings(encounter) == [
        ("Encounter.serviceType.coding[0].code", "is not a code of HL7's table 0069")
    ]


def test_the_table_names_profiles_that_exist():
    assert {profile for profiles in demands().values() for profile in profiles} <= US_CORE_PROFILES.keys()


@pytest.mark.external
@pytest.mark.skipif(not PACKAGE.exists(), reason="the US Core package is not here")
def test_the_table_has_every_mandatory_element_of_its_profiles():
    published = _mandatory()
    for type_, profiles in demands().items():
        for profile, rows in profiles.items():
            ours = {(".".join(row.within), name) for row in rows for name in row.any_of}
            for within, name in published[profile] - {("", "meta")}:
                group = [n for w, n in ours if w == within and n.startswith(name.removesuffix("[x]"))]
                assert group or profile in NAMED_BY_SLICE, f"{type_} {profile}: {within}.{name}"


def _mandatory():
    out = {}
    with tarfile.open(PACKAGE) as archive:
        for member in archive:
            if member.name.startswith("package/StructureDefinition-us-core"):
                definition = json.loads(archive.extractfile(member).read())
                out[definition["id"]] = set(_rows(definition))
    return out


def _rows(definition):
    """Elements that the profile demands and R4 does not, slices and what is below choices left out."""
    for element in definition["snapshot"]["element"][1:]:
        path = element["path"].split(".", 1)[1]
        base = element_at(element["path"])
        if ":" in element["id"] or element["min"] == 0 or (base and base.required):
            continue
        within, _, name = path.rpartition(".")
        above = {"protocolApplied", "costToBeneficiary", "substitution", "ingredient", "coding", "udiCarrier"}
        if not above & set(within.split(".")):
            yield within, name

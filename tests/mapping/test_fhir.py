"""FHIR from partners: ids and references become ours; nothing else changes."""

from __future__ import annotations

import orjson
import pytest

from exchange.mapping import map_record
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped
from tests.mapping.support import id_of, maps_of, record_of

MAPS = maps_of("fhir_json", 'format: fhir_json\nentries: {any: {resource: "*", copy: true}}\n')
NPI = "http://hl7.org/fhir/sid/us-npi|1999999018"
URN = "urn:uuid:0f2ab3a6-2f0f-4f3e-9d3e-0d2f1f6a0001"


def taken(value: dict, key: str = "key", *, deleted: bool = False) -> Mapped:
    return map_record(record_of("fhir_json", orjson.dumps(value), key, deleted=deleted), MAPS)


def observation(reference: str) -> dict:
    return {"resourceType": "Observation", "id": "o", "subject": {"reference": reference}}


def bundle(*entries: dict) -> dict:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


@pytest.mark.parametrize(
    ("sent", "ours"),
    [
        ("Patient/7", f"Patient/{id_of('Patient', '7')}"),
        ("Patient/7/_history/3", f"Patient/{id_of('Patient', '7')}"),
        ("https://example.example/fhir/r4/Patient/7", f"Patient/{id_of('Patient', '7')}"),
        (f"Practitioner?identifier={NPI}", f"Practitioner/{id_of('Practitioner', NPI)}"),
        ("Practitioner?identifier=http%3A%2F%2Fx%7C1", f"Practitioner/{id_of('Practitioner', 'http://x|1')}"),
        ("#contained", "#contained"),
    ],
)
def test_a_reference_becomes_ours(sent, ours):
    (found,) = taken(observation(sent)).resources
    assert found["id"] == id_of("Observation", "o")
    assert found["subject"] == {"reference": ours}


def test_a_reference_by_identifier_alone_stays():
    value = {**observation("Patient/7"), "performer": [{"identifier": {"system": "urn:x", "value": "1"}}]}
    (found,) = taken(value).resources
    assert found["performer"] == value["performer"]


def test_a_reference_that_leads_nowhere_is_an_error_without_the_reference():
    (issue,) = taken(observation(URN)).issues
    assert (issue.severity, issue.code) == ("error", "not-found")
    assert URN not in issue.detail


def test_meta_keeps_what_is_about_content_only():
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    meta = {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z", "source": "#x", "security": [label]}
    (found,) = taken({**observation("Patient/7"), "meta": meta}).resources
    assert found["meta"] == {"security": [label], "source": "urn:mosaic:partner:example"}


def test_entries_of_a_transaction_refer_to_each_other_by_our_ids():
    patient = {"fullUrl": URN, "resource": {"resourceType": "Patient"}}
    found = taken(bundle(patient, {"resource": observation(URN)})).resources
    assert found[1]["subject"]["reference"] == f"Patient/{found[0]['id']}"
    assert found[0]["id"] == id_of("Patient", URN.removeprefix("urn:uuid:"))


def test_a_conditional_create_is_what_conditional_references_of_other_records_mean():
    request = {"method": "POST", "url": "Practitioner", "ifNoneExist": f"identifier={NPI}"}
    created = taken(bundle({"resource": {"resourceType": "Practitioner", "id": "x"}, "request": request}))
    referring = taken(observation(f"Practitioner?identifier={NPI}"))
    own = created.resources[0]["id"]
    assert referring.resources[0]["subject"]["reference"] == f"Practitioner/{own}"


def test_the_same_resource_is_the_same_alone_and_in_a_bundle():
    alone, together = taken(observation("Patient/7")), taken(bundle({"resource": observation("Patient/7")}))
    assert alone.resources == together.resources


def test_a_deletion_needs_no_content():
    found = taken({}, key="Observation/o", deleted=True)
    assert (found.resources, found.deleted) == ((), (f"Observation/{id_of('Observation', 'o')}",))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"resourceType": "Observation"},
        {"resourceType": "Pacient", "id": "1"},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Nothing"}}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]},
        {"resourceType": "Bundle", "entry": []},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": "x"}}],
        },
    ],
)
def test_what_is_no_resource_is_rejected(value):
    with pytest.raises(RecordRejected):
        taken(value)


def test_what_was_parsed_is_not_changed():
    value = bundle(
        {"fullUrl": URN, "resource": {"resourceType": "Patient", "meta": {"tag": [{"code": "x"}]}}}
    )
    payload = orjson.dumps(value)
    first, second = (map_record(record_of("fhir_json", payload), MAPS) for _ in range(2))
    assert first == second

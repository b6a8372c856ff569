"""FHIR from partners: ids and references become ours; nothing else changes."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.mapping import load_maps, map_record
from exchange.model.errors import ContentError, RecordRejected
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
    assert created.conditional == {f"Practitioner/{own}"}


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


SUBSETTED = {
    "tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]
}


def practitioner(urn: str, name: str, npi: str | None = "1999999018") -> dict:
    value: dict = {"resourceType": "Practitioner", "id": urn.rsplit(":", 1)[-1], "name": [{"family": name}]}
    if npi:
        value["identifier"] = [
            {"system": "urn:staff", "value": "7"},
            {"system": NPI.split("|")[0], "value": npi},
        ]
    return {"fullUrl": urn, "resource": value}


def test_a_practitioner_under_a_new_id_in_each_bundle_is_one_by_npi():
    ids = {taken(bundle(practitioner(f"urn:uuid:{n}", "Ito"))).resources[0]["id"] for n in ("a", "b")}
    assert ids == {id_of("Practitioner", NPI)}


def test_an_id_that_lasts_is_kept_although_there_is_an_npi():
    entry = {**practitioner("urn:uuid:a", "Ito"), "fullUrl": "https://x.example/fhir/Practitioner/a"}
    assert taken(bundle(entry)).resources[0]["id"] == id_of("Practitioner", "a")


def test_two_of_different_names_under_one_identifier_stay_two():
    found = taken(bundle(practitioner("urn:uuid:a", "Ito"), practitioner("urn:uuid:b", "Roe")))
    assert [r["id"] for r in found.resources] == [id_of("Practitioner", "a"), id_of("Practitioner", "b")]


def test_a_practitioner_without_identifiers_keeps_its_id():
    found = taken(bundle(practitioner("urn:uuid:a", "Ito", None)))
    assert found.resources[0]["id"] == id_of("Practitioner", "a")


def test_declared_types_are_identified_wherever_they_come():
    maps = maps_of("fhir_json", 'format: fhir_json\nentries: {any: {resource: "*", copy: true}}\n', None)
    feed = maps.partner.feeds["feed"].model_copy(update={"options": {"identified": ["Practitioner"]}})
    maps = load_maps(maps.files, maps.partner.model_copy(update={"feeds": {"feed": feed}}))
    alone = orjson.dumps(practitioner("urn:uuid:a", "Ito")["resource"])
    found = map_record(record_of("fhir_json", alone), maps)
    assert found.resources[0]["id"] == id_of("Practitioner", NPI)


@pytest.mark.parametrize("options", [{"fhir_version": "R5"}, {"identified": ["Doctor"]}, {"fhir": "R4"}])
def test_a_declaration_that_means_nothing_is_refused(options):
    maps = maps_of("fhir_json", 'format: fhir_json\nentries: {any: {resource: "*", copy: true}}\n')
    feed = maps.partner.feeds["feed"].model_copy(update={"options": options})
    with pytest.raises(ContentError, match=r"partner\.yaml"):
        load_maps(maps.files, maps.partner.model_copy(update={"feeds": {"feed": feed}}))


@pytest.mark.parametrize("together", [True, False])
def test_a_summary_never_replaces_a_whole_resource(together):
    summary = {**observation("Patient/7"), "meta": SUBSETTED}
    found = taken(bundle({"resource": summary}) if together else summary)
    assert found.conditional == {f"Observation/{id_of('Observation', 'o')}"}
    assert taken(observation("Patient/7")).conditional == frozenset()


def test_a_patch_is_told_and_not_taken_for_a_resource():
    patch = {"resource": {"resourceType": "Parameters"}, "request": {"method": "PATCH", "url": "Patient/1"}}
    found = taken(bundle(patch, {"resource": observation("Patient/7")}))
    assert [r["resourceType"] for r in found.resources] == ["Observation"]
    assert [issue.code for issue in found.issues] == ["not-supported"]


def test_a_conditional_delete_means_what_the_condition_created():
    entry = {"request": {"method": "DELETE", "url": f"Practitioner?identifier={NPI}"}}
    assert taken(bundle(entry, {"resource": observation("Patient/7")})).deleted == (
        f"Practitioner/{id_of('Practitioner', NPI)}",
    )


@pytest.mark.parametrize("url", ["https://x.example/forms/intake", "http://acme.example/Lab/1"])
def test_an_address_elsewhere_stays_as_it_is(url):
    found = taken(observation(url))
    assert found.resources[0]["subject"] == {"reference": url}
    assert found.issues == ()


NAMES = [
    "resourceType",
    "entry",
    "resource",
    "request",
    "fullUrl",
    "meta",
    "tag",
    "identifier",
    "id",
    "reference",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(JSON)
def test_anything_else_is_rejected_or_mapped_but_never_breaks(value):
    for parsed in (
        value,
        {"resourceType": "Bundle", "entry": [value]},
        {"resourceType": "Patient", "meta": value},
    ):
        try:
            taken(parsed)
        except RecordRejected:
            continue

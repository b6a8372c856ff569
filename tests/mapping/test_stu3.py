"""STU3 by declaration: the same facts as R4, valid where the STU3 resource was."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from fhir.resources.STU3 import get_fhir_model_class

from exchange.mapping import load_maps, map_record
from exchange.mapping.coverage import lost, positions
from exchange.mapping.load import observed_maps
from exchange.mapping.record import trace_record
from exchange.mapping.stu3 import to_r4
from exchange.mapping.stu3_shapes import _medication_request
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped, Resource
from exchange.validation import validate
from tests.mapping.support import maps_of, record_of

_PLAIN = maps_of("fhir_json", 'format: fhir_json\nentries: {any: {resource: "*", copy: true}}\n')
_FEED = _PLAIN.partner.feeds["feed"].model_copy(update={"options": {"fhir_version": "STU3"}})
MAPS = load_maps(_PLAIN.files, _PLAIN.partner.model_copy(update={"feeds": {"feed": _FEED}}))

STU3 = orjson.loads(Path(__file__).with_name("stu3_examples.json").read_bytes())


def converted(kind: str) -> Resource:
    return to_r4({"resourceType": kind, "id": "1", **STU3[kind]})


def taken(kind: str) -> Mapped:
    value = {"resourceType": kind, "id": "1", **STU3[kind]}
    return map_record(record_of("fhir_json", orjson.dumps(value)), MAPS)


@pytest.mark.parametrize("kind", STU3)
def test_a_valid_stu3_resource_becomes_a_valid_r4_one(kind):
    get_fhir_model_class(kind).model_validate({"resourceType": kind, "id": "1", **STU3[kind]})

    (resource,) = taken(kind).resources

    assert [i.detail + i.expression for i in validate(resource) if i.severity == "error"] == []


@pytest.mark.parametrize(
    ("kind", "element", "expected"),
    [
        ("Condition", "recordedDate", "2017-03-01"),
        ("Observation", "note", [{"text": "fasting"}]),
        ("MedicationStatement", "status", "not-taken"),
        ("MedicationDispense", "status", "declined"),
        ("MedicationAdministration", "status", "not-done"),
        ("MedicationRequest", "status", "unknown"),
        ("Immunization", "status", "not-done"),
        ("Immunization", "occurrenceDateTime", "2017-03-01"),
        ("Procedure", "status", "stopped"),
        ("Goal", "lifecycleStatus", "active"),
        ("ReferralRequest", "resourceType", "ServiceRequest"),
        ("QuestionnaireResponse", "questionnaire", "Questionnaire/q"),
        ("Appointment", "reasonReference", [{"reference": "Condition/c"}]),
        ("Appointment", "basedOn", [{"reference": "ServiceRequest/r"}]),
        ("Task", "requester", {"reference": "Practitioner/x"}),
        ("Task", "encounter", {"reference": "Encounter/e"}),
        ("Device", "deviceName", [{"name": "Pump", "type": "udi-label-name"}]),
        ("Device", "modelNumber", "AB 45"),
        ("DeviceRequest", "intent", "order"),
        ("DetectedIssue", "identifiedDateTime", "2017-03-01"),
        ("Communication", "status", "on-hold"),
        ("Communication", "about", [{"reference": "Condition/c"}]),
        ("FamilyMemberHistory", "status", "health-unknown"),
        ("FamilyMemberHistory", "dataAbsentReason", {"text": "declined"}),
        ("CarePlan", "author", {"reference": "Practitioner/x"}),
        ("CarePlan", "contributor", [{"reference": "Practitioner/y"}]),
        ("HealthcareService", "eligibility", [{"code": {"text": "adults"}, "comment": "with a referral"}]),
        ("HealthcareService", "program", [{"text": "Harbour"}]),
        ("ImagingStudy", "status", "unknown"),
        ("ImagingStudy", "procedureReference", {"reference": "Procedure/q"}),
        ("Media", "createdDateTime", "2017-03-01"),
        ("RiskAssessment", "note", [{"text": "high"}]),
        ("Account", "servicePeriod", {"start": "2017-03-01"}),
    ],
)
def test_what_moved_is_found_where_r4_has_it(kind, element, expected):
    assert converted(kind)[element] == expected


def test_dose_and_rate_move_together():
    (dosage,) = taken("MedicationRequest").resources[0]["dosageInstruction"]
    assert dosage["doseAndRate"][0].keys() == {"doseQuantity", "rateRatio"}


def test_code_systems_have_their_later_names():
    (category,) = taken("Observation").resources[0]["category"]
    assert category["coding"][0]["system"] == "http://terminology.hl7.org/CodeSystem/observation-category"


def test_the_activity_of_a_plan_says_what_it_is_in_its_code():
    (activity,) = taken("CarePlan").resources[0]["activity"]
    assert activity["detail"] == {
        "code": {"text": "diet"},
        "status": "on-hold",
        "statusReason": {"text": "away"},
        "doNotPerform": True,
    }


def test_the_groups_of_a_coverage_are_its_classes():
    classes = taken("Coverage").resources[0]["class"]
    assert [(each["type"]["coding"][0]["code"], each["value"], each.get("name")) for each in classes] == [
        ("group", "G1", "Works"),
        ("subplan", "P9", None),
    ]


def test_images_are_known_by_their_uids_without_a_prefix():
    study = converted("ImagingStudy")
    assert [each["value"] for each in study["identifier"]] == ["urn:oid:2.16.1", "7"]
    assert study["series"][0]["uid"] == "2.16.2"
    assert study["series"][0]["performer"] == [{"actor": {"reference": "Practitioner/x"}}]
    assert study["series"][0]["instance"][0]["sopClass"]["code"] == "urn:oid:1.2.840.10008.5.1.4.1.1.2"


def test_who_did_what_is_a_reference_in_provenance():
    provenance = converted("Provenance")
    (agent,), (entity,) = provenance["agent"], provenance["entity"]
    assert agent["who"]["identifier"]["value"] == "mailto:a@b.example"
    assert agent["onBehalfOf"] == {"reference": "Organization/o"}
    assert entity["what"] == {"reference": "DocumentReference/d"}
    assert entity["agent"][0]["who"] == {"reference": "Practitioner/x"}
    assert provenance["reason"][0]["coding"][0]["code"] == "TREAT"


def test_references_follow_a_type_that_was_renamed():
    (based,) = taken("ReferralRequest").resources[0]["basedOn"]
    assert based["reference"].startswith("ServiceRequest/")


def test_a_consent_of_stu3_is_refused_because_its_meaning_changed():
    value = {"resourceType": "Consent", "id": "1", "status": "active"}
    with pytest.raises(RecordRejected, match="STU3"):
        map_record(record_of("fhir_json", orjson.dumps(value)), MAPS)


@pytest.mark.parametrize(
    ("sent", "becomes"),
    [
        ({"agent": {"reference": "Practitioner/1"}}, {"reference": "Practitioner/1"}),
        ({"reference": "Practitioner/1"}, {"reference": "Practitioner/1"}),
        ("nobody", "nobody"),
    ],
)
def test_a_requester_is_its_agent_where_it_has_one(sent, becomes):
    assert _medication_request({"requester": sent})["requester"] == becomes


@pytest.mark.parametrize("sent", ["yes", {"reason": {"text": "formulary"}}])
def test_a_substitution_that_allows_nothing_is_left_as_it_is(sent):
    assert _medication_request({"substitution": sent})["substitution"] == sent


@pytest.mark.parametrize(
    ("kind", "added", "told"),
    [
        (
            "Observation",
            {"related": [{"type": "replaces", "target": {"reference": "Observation/o"}}]},
            "related",
        ),
        ("Observation", {"related": [{"type": "has-member", "target": {"reference": "Observation/o"}}]}, ""),
        (
            "MedicationDispense",
            {
                "performer": [
                    {"actor": {"reference": "Practitioner/p"}, "onBehalfOf": {"display": "Pharmacy"}}
                ]
            },
            "performer.onBehalfOf",
        ),
        (
            "ProcedureRequest",
            {"requester": {"agent": {"display": "Dr Roe"}, "onBehalfOf": {"display": "Clinic"}}},
            "requester.onBehalfOf",
        ),
        ("ProcedureRequest", {"definition": [{"reference": "PlanDefinition/p"}]}, "definition"),
        ("Patient", {"animal": {"species": {"text": "dog"}}}, "animal"),
    ],
)
def test_what_r4_has_no_place_for_is_told(kind, added, told):
    base = STU3.get(kind, {"status": "active", "intent": "order", "code": {"text": "x"}})
    value = {"resourceType": kind, "id": "1", **base, **added}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": value}]}
    for sent in (value, bundle):
        issues = map_record(record_of("fhir_json", orjson.dumps(sent)), MAPS).issues
        found = [issue.expression for issue in issues if "no place" in issue.detail]
        assert found == ([f"{kind}.{told}"] if told else [])


def test_what_only_moved_between_stu3_and_r4_is_kept():
    asked = to_r4({"resourceType": "ReferralRequest", "groupIdentifier": {"value": "G1"}})
    assert asked["requisition"] == {"value": "G1"}
    answered = to_r4({"resourceType": "QuestionnaireResponse", "parent": [{"reference": "Procedure/p"}]})
    assert answered["partOf"] == [{"reference": "Procedure/p"}]


def test_lineage_names_what_was_sent_and_what_was_lost():
    sent = {"resourceType": "Condition", "id": "1", "subject": {"reference": "Patient/p"}}
    sent |= {"assertedDate": "2020-01-01", "context": {"reference": "Encounter/e"}}
    told = {row[0]: row[1] for row in trace_record(record_of("fhir_json", orjson.dumps(sent)), MAPS)}
    assert told["Condition.recordedDate"].endswith("assertedDate")
    assert told["Condition.encounter"].endswith("context")
    assert told["Condition.subject"].endswith("subject")

    animal = {"resourceType": "Patient", "id": "p", "gender": "male", "animal": {"species": {"text": "dog"}}}
    held = positions(record_of("fhir_json", orjson.dumps(animal)), observed_maps(MAPS))
    assert lost(held) == ["Patient.animal"]

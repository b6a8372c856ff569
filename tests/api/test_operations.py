"""$lastn, $docref, $summary, $validate: what they answer, what they do not tell, and the record of it."""

from __future__ import annotations

import pytest

from exchange.model.ids import golden_id, resource_id
from exchange.validation import structural_issues

from .shared_records import Records

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


@pytest.fixture
def person(connection, context):
    """Somebody with open and hidden observations, a condition and a document."""
    connection.execute("SELECT setval('latest_instant', 0)")
    records = Records(connection, context)
    records.register()
    known = connection.execute("SELECT fhir_id::text FROM patient").fetchone()
    if known:
        return known[0]
    patient = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}], gender="female")
    about = {"subject": {"reference": f"Patient/{patient}"}}
    for key, code, day, labels in (
        ("a", "2345-7", "2026-11-01", ()),
        ("b", "2345-7", "2026-11-05", ()),
        ("c", "4548-4", "2026-10-01", ()),
        ("d", "7918-6", "2026-11-09", ("HIV",)),
    ):
        body = {"status": "final", "code": loinc(code), "category": [{"coding": [{"code": "laboratory"}]}]}
        publish(records, key, labels, resourceType="Observation", effectiveDateTime=day, **body, **about)
    active = {"coding": [{"system": CLINICAL, "code": "active"}]}
    for key, name, labels in (("p", "Asthma <b>", ()), ("q", "Secret", ("HIV",))):
        body = {"clinicalStatus": active, "code": {"text": name}}
        publish(records, key, labels, resourceType="Condition", **body, **about)
    for key, code, day in (
        ("x", "34133-9", "2026-01-01"),
        ("y", "34133-9", "2026-05-01"),
        ("z", "11488-4", "2026-06-01"),
    ):
        body = {
            "status": "current",
            "type": loinc(code),
            "date": f"{day}T10:00:00Z",
            "context": {"period": {"start": day, "end": day}},
            "content": [{"attachment": {"title": key}}],
        }
        publish(records, key, (), resourceType="DocumentReference", **body, **about)
    return patient


def loinc(code):
    return {"coding": [{"system": "http://loinc.org", "code": code}]}


def publish(records, key, labels, **resource):
    patient = resource["subject"]["reference"].removeprefix("Patient/")
    resource["id"] = resource_id("https://prairie.example/", resource["resourceType"], key)
    records._publish("prairie_clinic", resource, patient, labels)


@pytest.fixture
def get(ask, hospital, token_of):
    token = token_of(hospital)

    def get(path, **options):
        return ask(hospital, path, token=token, **options)

    return get


def resources(bundle, kind):
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return [r for r in found if r["resourceType"] == kind]


def dates(bundle):
    return sorted(r["effectiveDateTime"] for r in resources(bundle, "Observation"))


def test_lastn_gives_the_latest_of_each_code_that_is_visible(get, person):
    path = f"Observation/$lastn?patient={golden_id(person)}"
    assert dates(get(path).json()) == ["2026-10-01", "2026-11-05"]
    assert dates(get(f"{path}&max=2").json()) == ["2026-10-01", "2026-11-01", "2026-11-05"]
    assert dates(get(f"{path}&code=2345-7&max=1").json()) == ["2026-11-05"]
    assert get(path).json()["total"] == 2


def test_lastn_is_invoked_by_parameters_too(get, person):
    parts = [{"name": "patient", "valueString": golden_id(person)}, {"name": "max", "valuePositiveInt": 2}]
    answer = get("Observation/$lastn", method="POST", json={"resourceType": "Parameters", "parameter": parts})
    assert len(dates(answer.json())) == 3


@pytest.mark.parametrize(
    "query", ["", "?max=2", "?patient=7&max=0", "?patient=7&max=x", "?patient=7&colour=1"]
)
def test_lastn_without_a_patient_or_with_what_is_not_served_is_refused(get, query):
    assert get(f"Observation/$lastn{query}").status_code == 400


def titles(answer):
    return [r["content"][0]["attachment"]["title"] for r in resources(answer.json(), "DocumentReference")]


def test_docref_finds_documents_by_type_and_time_of_care(get, person):
    path = f"DocumentReference/$docref?patient={golden_id(person)}"
    assert titles(get(path)) == ["y"]
    assert titles(get(f"{path}&type=34133-9")) == ["y", "x"]
    assert titles(get(f"{path}&start=2026-04-01")) == ["z", "y"]
    assert titles(get(f"{path}&start=2026-04-01&end=2026-05-31")) == ["y"]
    assert titles(get(f"{path}&on-demand=true")) == []
    assert get("DocumentReference/$docref").status_code == 400


def test_a_summary_is_a_document_of_what_is_visible_and_says_nothing_of_the_rest(get, person):
    answer = get(f"Patient/{golden_id(person)}/$summary")
    bundle = answer.json()
    assert structural_issues(bundle) == []
    composition = bundle["entry"][0]["resource"]
    sections = {section["code"]["coding"][0]["code"]: section for section in composition["section"]}
    assert len(sections["11450-4"]["entry"]) == 1
    assert "Asthma &lt;b&gt;" in sections["11450-4"]["text"]["div"]
    assert sections["48765-2"]["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert "Secret" not in answer.text
    assert "withheld" not in answer.text
    urls = {entry["fullUrl"].partition("/fhir/")[2] for entry in bundle["entry"]}
    assert {e["reference"] for s in sections.values() for e in s.get("entry", ())} < urls
    assert composition["subject"]["reference"] == f"Patient/{golden_id(person)}"
    patient = bundle["entry"][1]["resource"]
    assert (patient["resourceType"], "birthDate" in patient) == ("Patient", False)
    assert patient["_birthDate"]["extension"][0]["valueCode"] == "unknown"
    again = get(f"Patient/{golden_id(person)}/$summary").json()
    assert again["identifier"] == bundle["identifier"]


def test_a_summary_of_nobody_is_not_found(get, person):
    assert get("Patient/00000000-0000-5000-8000-000000000000/$summary").status_code == 404
    assert get("Patient/7/$summary").status_code == 404


def test_each_operation_is_recorded_for_whom_it_is_about(get, person, audit_rows):
    get(f"Patient/{golden_id(person)}/$summary")
    get(f"Observation/$lastn?patient={golden_id(person)}")
    get("Observation/$validate", method="POST", json={"resourceType": "Observation", "status": "final"})
    found = [(kind, patient) for kind, _, patient, _ in audit_rows() if not kind.startswith("token")]
    assert found == [("everything", golden_id(person))] * 2 + [("everything", None)]


def issues(answer):
    return [(issue["severity"], issue.get("expression", [""])[0]) for issue in answer.json()["issue"]]


def test_validate_says_what_is_wrong_with_a_resource(get):
    good = {"resourceType": "Organization", "name": "House"}
    bad = {"resourceType": "Observation", "status": "banana", "colour": 1}
    assert "error" not in [
        severity for severity, _ in issues(get("Organization/$validate", method="POST", json=good))
    ]
    found = issues(get("Observation/$validate", method="POST", json=bad))
    assert ("error", "Observation.code") in found
    assert ("error", "Observation.status") in found
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": bad}]}
    assert issues(get("Observation/$validate", method="POST", json=wrapped)) == found
    assert issues(get("Patient/$validate", method="POST", json=good))[0] == ("error", "resourceType")


@pytest.mark.parametrize(
    "body",
    ["[]", "{", "7", '{"resourceType":"Parameters"}', '{"resourceType":"Parameters","parameter":7}', "{}"],
)
def test_a_body_that_is_no_resource_is_told_so(get, body):
    headers = {"Content-Type": "application/fhir+json"}
    for path in ("Observation/$validate", "Observation/$lastn"):
        answer = get(path, method="POST", content=body, headers=headers)
        assert answer.status_code in (200, 400)
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["Observation/$validate", "Observation/$lastn", "Patient/$match"])
def test_a_body_without_a_bottom_is_refused(get, path):
    body = b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 400 + b"[]" + b"}]" * 400 + b"}"
    answer = get(path, method="POST", content=body, headers={"Content-Type": "application/fhir+json"})
    assert answer.status_code == 400
    assert "nested" in answer.text


@pytest.mark.parametrize("name", ["patient.family", "code", "patient"])
def test_no_control_character_reaches_the_database(get, person, name):
    pairs = [{"name": "patient", "valueString": person}, {"name": name, "valueString": "a\0b"}]
    body = {"resourceType": "Parameters", "parameter": pairs}
    assert get("Observation/$lastn", method="POST", json=body).status_code == 400


def test_everything_is_invoked_by_parameters_too(get, person):
    wanted = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Condition"}]}
    address = f"Patient/{golden_id(person)}/$everything"
    by_body = get(address, method="POST", json=wanted)
    assert by_body.status_code == 200
    assert by_body.content == get(f"{address}?_type=Condition").content
    assert get(address, method="POST", content=b"").json()["entry"]

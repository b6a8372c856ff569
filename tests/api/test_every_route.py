"""Rules that hold at every address: what answers are not served as is refused before anything is begun."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

ID = str(uuid4())
ROUTES = {
    "Observation": ["GET Observation", "POST Observation/_search"],
    "read": [f"GET Patient/{ID}", f"HEAD Patient/{ID}", f"GET Provenance/{ID}"],
    "history": [f"GET Patient/{ID}/_history", "GET Patient/_history", f"GET Patient/{ID}/_history/1"],
    "compartment": [
        f"GET Patient/{ID}/Observation", f"POST Patient/{ID}/Observation/_search",
        f"GET Patient/{ID}/*", f"POST Patient/{ID}/_search",
    ],
    "everything": [f"GET Patient/{ID}/$everything", f"POST Patient/{ID}/$everything"],
    "summary": [f"GET Patient/{ID}/$summary", f"POST Patient/{ID}/$summary"],
    "match": ["POST Patient/$match"],
    "lastn": ["GET Observation/$lastn", "POST Observation/$lastn"],
    "docref": ["GET DocumentReference/$docref", "POST DocumentReference/$docref"],
    "validate": ["POST Patient/$validate"],
    "break-glass": [f"POST Patient/{ID}/$break-glass"],
    "attest-relationship": [
        f"POST Patient/{ID}/$attest-relationship", f"DELETE Patient/{ID}/$attest-relationship",
    ],
    "export": [
        "GET $export", "POST $export", "GET Patient/$export", "POST Patient/$export",
        f"GET Group/{ID}/$export", f"POST Group/{ID}/$export",
        f"GET $export-status/{ID}", f"DELETE $export-status/{ID}", f"GET $export-file/{ID}/0.ndjson",
    ],
    "Group": [
        "POST Group", f"GET Group/{ID}", f"PUT Group/{ID}", f"DELETE Group/{ID}",
        f"GET Group/{ID}/_history/1",
    ],
    "Subscription": [
        "POST Subscription", "GET Subscription", f"GET Subscription/{ID}", f"PUT Subscription/{ID}",
        f"DELETE Subscription/{ID}",
    ],
    "status": [f"GET Subscription/{ID}/$status", f"POST Subscription/{ID}/$status"],
    "events": [f"GET Subscription/{ID}/$events", f"POST Subscription/{ID}/$events"],
    "push": ["POST ", "GET $push-status/1"],
    "metadata": ["GET metadata"],
}  # fmt: skip
"""Every address below /fhir, by what a CapabilityStatement calls it."""

ALL = [route.split(" ") for routes in ROUTES.values() for route in routes]
NOT_SERVED = ["application/fhir+xml", "application/xml", "text/html", "application/fhir+json;fhirVersion=5.0"]
REASON = {
    "resourceType": "Parameters",
    "parameter": [{"name": "reason", "valueString": "in our care"}],
}


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def asked(ask, register, token_of, records):
    """Sends a request that, in a form that is served, would begin or change something."""
    hospital = register("lakeside_hospital", scopes=["system/*.cruds"])
    token = token_of(hospital, scope="system/*.cruds")

    def send(method, path, **options):
        headers = {"Prefer": "respond-async", "Content-Type": "application/fhir+json"}
        if path.endswith("_search"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
        options["headers"] = {**headers, **options.get("headers", {})}
        return ask(hospital, path, method=method, token=token, **options)

    return send


def test_the_capability_statement_names_no_address_that_is_not_walked(api):
    rest = api.get("/fhir/metadata").json()["rest"][0]
    operations = {o["name"] for one in [rest, *rest["resource"]] for o in one.get("operation", [])}
    assert operations | {"Group", "Subscription", "Observation"} <= ROUTES.keys()


@pytest.mark.parametrize("accept", NOT_SERVED)
def test_what_no_answer_is_served_as_is_refused_at_every_address(asked, accept):
    answers = [asked(method, path, headers={"Accept": accept}) for method, path in ALL]
    assert [a.status_code for a in answers] == [406] * len(ALL)
    told = [a for a in answers if a.content]
    assert {a.json()["issue"][0]["code"] for a in told} == {"not-supported"}
    assert {a.headers["content-type"] for a in told} == {"application/fhir+json"}


def test_the_parameter_for_the_form_counts_at_every_address(asked):
    for method, path in ALL:
        refused = asked(method, path, params={"_format": "xml"})
        served = asked(method, path, params={"_format": "json"}, headers={"Accept": "application/fhir+xml"})
        assert (refused.status_code, served.status_code == 406) == (406, False), path


def test_what_is_refused_for_its_form_has_begun_nothing(asked, records, database):
    patient = records.patient("lakeside_hospital", "a1")
    xml = {"Accept": "application/fhir+xml"}
    path = f"Patient/{patient}/$attest-relationship"
    assert asked("POST", path, json=REASON, headers=xml).status_code == 406
    assert asked("GET", "$export", headers=xml).status_code == 406
    with psycopg.connect(database) as conn:
        begun = conn.execute("SELECT (SELECT count(*) FROM export_job), (SELECT count(*) FROM panel)")
        assert begun.fetchone() == (0, 0)


@pytest.mark.parametrize(
    "accept", ["application/fhir+ndjson", "application/ndjson, application/fhir+json;q=0.5"]
)
def test_a_file_of_an_export_may_be_asked_for_as_what_it_is_and_nothing_else_may(asked, accept):
    assert asked("GET", f"$export-file/{ID}/0.ndjson", headers={"Accept": accept}).status_code == 404
    assert asked("GET", f"$export-status/{ID}", headers={"Accept": accept.split(",")[0]}).status_code == 406

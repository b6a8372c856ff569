"""What a partner with a valid token tries in order to learn what he may not see, or to break the server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.mark.parametrize(
    "path",
    [
        "Observation?value-quantity=1e999",
        "Observation?value-quantity=ap1e308",
        "Observation?value-quantity=1e-999",
        "Observation?value-quantity=1e99999999999999999999999",
        f"Observation?value-quantity=1e{'9' * 5000}",
        f"Observation?value-quantity={'9' * 5000}",
        f"Observation?_count={'9' * 5000}",
        "Observation?_count=%C2%B2",
        "Observation?date=ap0001-01-01",
        "Observation?date=ap9999-12-30",
        "Observation?date=0000",
        "Observation?date=9999-12-31",
        "Observation?date=0001-01-01T00:00:00%2B23:59",
        "Observation?date=9999-12-31T23:59:59-23:59",
        "Observation?_lastUpdated=9999",
        "Observation?_lastUpdated=ap0001-01-01",
        "Patient?_lastUpdated=0001-01-01T00:00:00%2B14:00",
        "Patient?_lastUpdated=ne9999-12-31",
        "Patient?birthdate=%D9%A1%D9%A9%D9%A8%D9%A0",
        "Patient?name=%F4%8F%BF%BF",
        "Patient?name:contains=%EF%B7%BA",
        "Patient?_sort=-_lastUpdated&_cursor=e30",
        "Patient?_cursor=%C3%A9",
        "Patient?_page=AAAA",
        "Patient?_page=%C3%A9",
        "Observation?_include=Observation:subject:Banana",
        "Observation?_include=::",
        "Observation?_revinclude=Patient:link",
        "Observation?patient:missing=perhaps",
        "Observation?code=%7C",
        "Observation?code=%5C",
        "Observation?_elements=,,",
        "Patient/{golden}/$everything?_count=0",
        "Patient/{golden}/$everything?_since=banana",
        "Patient/{golden}/$everything?start=9999-12-31",
        "Patient/{golden}/$everything?start=0001-01-01T00:00:00%2B23:59",
        "Patient/{golden}/$everything?_cursor=AAAA",
        f"Patient/{{golden}}/$everything?_count={'9' * 5000}",
    ],
    ids=lambda path: path[:60],
)
def test_no_value_breaks_the_server(ask, hospital, records, path):
    patient = records.patient("lakeside_hospital", "p1", birthDate="1980-01-01")
    records.observation("lakeside_hospital", patient, "o1")
    answer = ask(hospital, path.replace("{golden}", patient))
    assert answer.status_code in (200, 400)
    assert answer.json()["resourceType"] in ("Bundle", "OperationOutcome")


def _kinds(rows):
    return [kind for kind, *_ in rows if not kind.startswith("token")]


@pytest.fixture
def paged(records):
    patient = records.patient("lakeside_hospital", "p1", name=[{"family": "Kowalska"}])
    for n in range(3):
        records.observation("lakeside_hospital", patient, f"o{n}")
    return patient


def _next(bundle):
    link = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    return link.partition("/fhir/")[2]


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-2], lambda c: c[:5] + "A" + c[6:], lambda c: "é", lambda c: ""]
)
@pytest.mark.parametrize("path", ["Observation?_count=1", "Patient/{id}/$everything?_count=1"])
def test_an_altered_cursor_is_refused_and_recorded(ask, hospital, paged, audit_rows, path, spoil):
    start, _, cursor = _next(ask(hospital, path.replace("{id}", paged)).json()).partition("_cursor=")
    before = len(_kinds(audit_rows()))
    spoiled = spoil(cursor)
    if not spoiled:
        start, spoiled = start.replace("_count=1", "_count=2"), cursor
    assert ask(hospital, f"{start}_cursor={spoiled}").status_code == 400
    assert _kinds(audit_rows())[before:] == ["denied"]


def test_a_hidden_page_link_of_another_requester_tells_nothing_and_is_recorded(
    ask, hospital, clinic, paged, audit_rows
):
    form = {"code": "2345-7", "_count": "1"}
    bundle = ask(hospital, "Observation/_search", method="POST", data=form).json()
    before = len(_kinds(audit_rows()))
    answer = ask(clinic, _next(bundle))
    assert answer.status_code == 400
    assert "2345-7" not in answer.text
    assert _kinds(audit_rows())[before:] == ["denied"]


def test_one_assertion_sent_many_times_at_once_gives_one_token(api, hospital):
    form = hospital.form()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: api.post("/auth/token", data=form).status_code, range(8)))
    assert sorted(answers) == [200, *[401] * 7]


@pytest.mark.parametrize(
    "path", ["Observation?code=2345-7", "Observation/{id}", "Observation?_revinclude=Provenance:target"]
)
def test_a_record_whose_patient_is_hidden_is_accounted_to_whom_it_names(
    ask, hospital, records, audit_rows, path
):
    patient = records.patient("prairie_clinic", "p1")
    shown = records.observation("prairie_clinic", patient, "o1")
    records.publish_patient("prairie_clinic", patient, "HIV")
    answer = ask(hospital, path.replace("{id}", shown))
    assert f"Patient/{patient}" in answer.text
    assert {row[2] for row in audit_rows() if row[0] in ("read", "query")} == {patient}

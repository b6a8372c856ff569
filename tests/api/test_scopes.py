"""Scopes with search parameters reach what they name, at every exit, and nothing shows of the rest."""

from __future__ import annotations

import psycopg
import pytest

from exchange.api.scopes import Scope, allows, parse_scopes

LABORATORY = "system/Patient.rs system/Observation.rs?code=http://loinc.org|2345-7"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def person(records):
    """A Patient with a glucose (in reach of the scope) and a hemoglobin (out of it), both its own."""
    patient = records.patient("lakeside_hospital", "a1", name=[{"family": "Rivera"}], gender="female")
    glucose = records.observation("lakeside_hospital", patient, "o1")
    hemoglobin = records.observation("lakeside_hospital", patient, "o2", code="718-7")
    return patient, glucose, hemoglobin


@pytest.fixture
def narrow(hospital, person, token_of):
    return token_of(hospital, scope=LABORATORY)


def ids(answer, kind="Observation"):
    assert answer.status_code == 200, answer.text
    found = [entry["resource"] for entry in answer.json().get("entry", ())]
    return {resource["id"] for resource in found if resource["resourceType"] == kind}


def test_a_read_beyond_the_constraint_is_as_if_nothing_were_there(ask, hospital, person, narrow):
    _, glucose, hemoglobin = person
    assert ask(hospital, f"Observation/{glucose}", token=narrow).status_code == 200
    hidden = ask(hospital, f"Observation/{hemoglobin}", token=narrow)
    absent = ask(hospital, "Observation/00000000-0000-4000-8000-000000000000", token=narrow)
    assert (
        (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, absent.content)
    )


@pytest.mark.parametrize(
    "request_", ["Observation?_total=accurate", "Observation?_sort=-date", "Observation?patient={patient}"]
)
def test_a_search_finds_and_counts_within_the_constraint(ask, hospital, person, narrow, request_):
    patient, glucose, _ = person
    answer = ask(hospital, request_.format(patient=patient), token=narrow)
    assert (ids(answer), answer.json()["total"]) == ({glucose}, 1)


@pytest.mark.parametrize(
    ("status", "count"),
    [("final", 2), ("http://hl7.org/fhir/observation-status|final", 2), ("http://loinc.org|final", 0)],
)
def test_a_constraint_may_name_the_system_that_a_code_has_without_saying_so(
    ask, hospital, person, token_of, status, count
):
    token = token_of(hospital, scope=f"system/Observation.rs?status={status}")
    assert len(ids(ask(hospital, "Observation", token=token))) == count


def test_a_search_for_what_is_beyond_finds_nothing(ask, hospital, person, narrow):
    assert ids(ask(hospital, "Observation?code=718-7", token=narrow)) == set()


def test_an_include_brings_only_what_the_scope_reaches(ask, hospital, person, narrow):
    _, glucose, _ = person
    answer = ask(hospital, "Patient?_revinclude=Observation:patient", token=narrow)
    assert ids(answer) == {glucose}


def test_everything_keeps_to_the_constraint(ask, hospital, person, narrow):
    patient, glucose, _ = person
    assert ids(ask(hospital, f"Patient/{patient}/$everything", token=narrow)) == {glucose}


def test_several_scopes_add_up(ask, hospital, person, token_of):
    _, glucose, hemoglobin = person
    both = "system/Observation.rs?code=718-7 system/Observation.rs?code=2345-7&status=final"
    assert ids(ask(hospital, "Observation", token=token_of(hospital, scope=both))) == {glucose, hemoglobin}
    other = "system/Observation.rs?code=718-7&status=amended"
    assert ids(ask(hospital, "Observation", token=token_of(hospital, scope=other))) == set()


def test_reading_and_searching_are_granted_apart(ask, hospital, person, token_of):
    _, glucose, hemoglobin = person
    token = token_of(hospital, scope="system/Observation.r?code=718-7 system/Observation.s?code=2345-7")
    assert ids(ask(hospital, "Observation", token=token)) == {glucose}
    assert ask(hospital, f"Observation/{hemoglobin}", token=token).status_code == 200
    assert ask(hospital, f"Observation/{glucose}", token=token).status_code == 404


def test_a_registration_narrows_what_a_token_may_ask_for(api, ask, register, person):
    software = register("lakeside_hospital", client_id="narrow", scopes=["system/Observation.rs?code=718-7"])
    granted = api.post("/auth/token", data=software.form(scope="system/*.rs")).json()
    assert granted["scope"] == "system/Observation.rs?code=718-7"
    assert ids(ask(software, "Observation", token=granted["access_token"])) == {person[2]}


def test_more_scopes_than_a_token_holds_are_refused(api, hospital):
    many = " ".join(f"system/Observation.rs?code=http://loinc.org|{number}-1" for number in range(100))
    answer = api.post("/auth/token", data=hospital.form(scope=many))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_every_table_a_reader_reaches_by_row_asks_for_the_scope(module_database):
    """A new index table without the policy would be a way around it."""
    with psycopg.connect(module_database) as conn:
        rows = conn.execute(
            "SELECT c.relname, EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid"
            " AND p.polname = 'scoped' AND NOT p.polpermissive)"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'rid'"
            " WHERE c.relkind IN ('r', 'p') AND has_table_privilege('exchange_api', c.oid, 'SELECT')"
        ).fetchall()
    assert len(rows) >= 6
    assert [name for name, scoped in rows if not scoped] == []


def test_a_constraint_is_of_what_is_read_alone():
    assert [str(s) for s in parse_scopes("system/Task.cruds?status=requested")] == [
        "system/Task.rs?status=requested"
    ]


def test_some_of_every_type_is_not_every_type():
    assert not allows([Scope("*", frozenset("r"), (("status", "final"),))], "*", "r")


@pytest.mark.parametrize(
    ("scope", "request_"),
    [
        ("system/Observation.rs", "Observation?subject:Patient.family=Rivera"),
        ("system/Observation.rs", "Observation?encounter.patient.family=Rivera"),
        ("system/Patient.rs", "Patient?_has:Observation:patient:code=2345-7"),
        ("system/Encounter.rs", "Encounter?location:below=Location/7"),
        ("system/Patient.rs system/Observation.r", "Patient?_has:Observation:patient:code=2345-7"),
    ],
)
def test_what_a_token_may_not_search_answers_no_chain(ask, hospital, person, token_of, scope, request_):
    assert ask(hospital, request_, token=token_of(hospital, scope=scope)).status_code == 403

"""The random requests of a proof: they reach every exit, and tell nothing of a patient."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from exchange.app.prove.asking import Request, material_of, shrink, told
from exchange.app.prove.comparing import Answer, differences
from exchange.app.prove.drawing import random_request
from exchange.repository.reading.conditions import MODIFIERS

PATIENT = {
    "resourceType": "Patient",
    "id": "d0d7c2b2-0001-4000-8000-000000000001",
    "name": [{"family": "O,Brien", "given": ["Ada"]}],
    "gender": "female",
    "birthDate": "1970-05-06",
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "d0d7c2b2-0002-4000-8000-000000000002",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
    "subject": {"reference": f"Patient/{PATIENT['id']}"},
    "encounter": {"reference": "Encounter/d0d7c2b2-0003-4000-8000-000000000003"},
    "effectiveDateTime": "2026-11-01T10:00:00-06:00",
    "valueQuantity": {"value": 99.5, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
}
MATERIAL = material_of((PATIENT, OBSERVATION), (), (datetime(2026, 11, 2, tzinfo=UTC),))


@pytest.fixture(scope="module")
def requests():
    random = Random(2)
    return [random_request(random, MATERIAL) for _ in range(4000)]


def test_values_are_those_of_the_records_in_the_syntax_of_search():
    assert MATERIAL.values["Patient", "family"] == (r"O\,B", r"O\,Brien")
    assert MATERIAL.values["Observation", "code"] == (
        "2345-7",
        "http://loinc.org|",
        "http://loinc.org|2345-7",
    )
    assert "99.5|http://unitsofmeasure.org|mg/dL" in MATERIAL.values["Observation", "value-quantity"]
    assert "2026-11" in MATERIAL.values["Observation", "date"]


def test_every_exit_is_asked(requests):
    ways = {(r.method, r.path.split("/")[-1]) for r in requests if r.path.startswith(("Patient", "Obs"))}
    for way in (
        ("GET", "Patient"),
        ("POST", "_search"),
        ("GET", "$everything"),
        ("GET", "_history"),
        ("GET", "$summary"),
        ("GET", "$lastn"),
    ):
        assert way in ways
    assert {"GET", "HEAD", "POST", "PUT", "DELETE"} == {r.method for r in requests}
    assert {name for r in requests for name, _ in r.headers} >= {"If-None-Match", "If-Modified-Since"}
    assert max(r.pages for r in requests) > 2


def test_every_kind_of_parameter_is_asked_with_every_modifier(requests):
    names = {name for r in requests for name, _ in r.parameters}
    kinds = {
        "code": "token",
        "family": "string",
        "date": "date",
        "value-quantity": "quantity",
        "encounter": "reference",
        "_profile": "uri",
        "code-value-quantity": "composite",
    }
    wanted = {f"{name}:{m}" if m else name for name, kind in kinds.items() for m in MODIFIERS[kind]}
    shapes = {
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_include",
        "_revinclude",
        "_id",
        "_lastUpdated",
    }
    shapes |= {"_include:iterate", "_revinclude:iterate"}
    assert wanted | shapes | {"patient", "_since", "_cursor"} <= names
    for relation in (
        "patient.",
        "subject:Patient.",
        "_has:Observation:patient:",
        "_has:Observation:subject:",
    ):
        assert any(name.startswith(relation) for name in names), relation


def test_the_same_seed_asks_the_same():
    first, second = (random_request(Random(9), MATERIAL) for _ in range(2))
    assert first == second


def test_nothing_of_a_record_is_told(requests):
    words = "\n".join(told(request) for request in requests)
    for secret in (PATIENT["id"], OBSERVATION["id"], "Brien", "1970", "2345-7", "99.5"):
        assert secret not in words
        assert secret in "\n".join(told(request, values=True) for request in requests)


def test_a_request_is_shrunk_to_what_matters():
    long = Request("POST", "Patient/_search", (("_count", "2"), ("family", "a,b")), (("Prefer", "x"),), 4)
    shortest = shrink(long, lambda r: ("family", "b") in r.parameters or ("family", "a,b") in r.parameters)
    assert shortest == Request("GET", "Patient", (("family", "b"),))


@pytest.mark.parametrize(
    "other, places",
    [
        (Answer(404, (), b"{}"), ("page 1: status 200 or 404",)),
        (Answer(200, (("etag", '"2"'),), b"{}"), ("page 1: header etag",)),
        (Answer(200, (), b'{"entry":[{"id":"Jane"}]}'), ("page 1: body.entry",)),
        (Answer(200, (), b"{ }"), ("page 1: body, by its bytes alone",)),
        (Answer(200, (), b"Jane"), ("page 1: body",)),
    ],
    ids=["status", "header", "member", "bytes", "no JSON"],
)
def test_a_difference_is_told_by_place(other, places):
    assert differences([Answer(200, (), b"{}")], [other]) == places
    assert differences([Answer(200, (), b"{}")], [Answer(200, (), b"{}")]) == ()

"""Whatever is asked, however it is written: an answer of FHIR, never an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.model.ids import golden_id
from exchange.repository import parameters
from exchange.repository.reading.conditions import MODIFIERS

from .shared_records import Records

TYPES = sorted(parameters())
NAMES = sorted({name for own in parameters().values() for name in own})
SPECIAL = (  # noqa: SIM905
    "_id _lastUpdated _sort _count _total _summary _elements _include _include:iterate _revinclude _cursor"
    " _page _format _pretty _since _type start end max"
).split()
MODIFIED = sorted({m for own in MODIFIERS.values() for m in own} | {"text", "Patient", "of-type"})
KNOWN = [
    "2345-7", "http://loinc.org|2345-7", "2026-11-01", "ge2026", "5.4|http://unitsofmeasure.org|mg", "true",
    "8480-6$gt5", "Patient/7", "-date,_id", "*", "Observation:patient", "1" * 40, "1e99", "9999-12-31",
    "0001", r"a\,b",
]  # fmt: skip

text = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40)
value = st.one_of(st.sampled_from(KNOWN), text, st.lists(st.sampled_from(KNOWN), max_size=4).map(",".join))
plain = st.one_of(st.sampled_from(SPECIAL), st.sampled_from(NAMES), text)
modified = st.tuples(st.sampled_from(NAMES), st.sampled_from(MODIFIED)).map(":".join)
chained = st.lists(
    st.sampled_from([*NAMES[:40], "subject:Patient", "patient", "encounter"]), min_size=1, max_size=7
)
reverse = st.tuples(st.just("_has"), st.sampled_from(TYPES), st.sampled_from(NAMES), plain).map(":".join)
name = st.one_of(plain, modified, chained.map(".".join), reverse)
pairs = st.lists(st.tuples(name, value), max_size=5)
paths = st.one_of(
    st.sampled_from(TYPES),
    st.sampled_from(
        [
            "Patient/{id}", "Patient/{id}/$everything", "Patient/{id}/$summary", "Patient/{id}/Observation",
            "Patient/{id}/_history", "Observation/_history", "Patient/{id}/_history/1", "Observation/$lastn",
            "DocumentReference/$docref", "Observation/$validate", "metadata", "",
        ]
    ),
    st.lists(text.filter(lambda t: "?" not in t and "#" not in t), max_size=4).map("/".join),
)  # fmt: skip
header_names = ["Prefer", "Accept", "If-None-Match", "If-Modified-Since", "Content-Type", "X-Request-Id"]
header_values = ["handling=lenient", "*/*", 'W/"1"', "Mon, 01 Jan 2024 00:00:00 GMT", "application/json"]
printable = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
headers = st.dictionaries(st.sampled_from(header_names), st.one_of(st.sampled_from(header_values), printable))
members = st.sampled_from(["resourceType", "parameter", "name", "resource", "code", "subject"])
kinds = st.sampled_from(["Parameters", "Observation", "Patient"])
json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(members, text), st.one_of(kinds, inner), max_size=4),
    ),
    max_leaves=12,
)
FUZZ = settings(
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def send(ask, register, token_of, connection, context):
    """Sends a request about somebody with a record, and sees that the answer is one of FHIR."""
    software = register("lakeside_hospital")
    token = token_of(software)
    records = Records(connection, context)
    records.register()
    patient = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])
    records.observation("prairie_clinic", patient, "open")

    def send(path, **options):
        answer = ask(software, path.replace("{id}", golden_id(patient)), token=token, **options)
        assert answer.status_code < 500, (path, options, answer.text)
        if answer.content:
            assert answer.json()["resourceType"]
        return answer

    return send


@FUZZ
@given(path=paths, asked=pairs, given_headers=headers)
def test_no_url_and_no_header_breaks_an_answer(send, path, asked, given_headers):
    send(path, params=asked, headers=given_headers)


@FUZZ
@given(kind=st.sampled_from(["Patient", "Observation", "Encounter", "MedicationRequest"]), asked=pairs)
def test_no_search_breaks_an_answer(send, kind, asked):
    send(kind, params=asked, headers={"Prefer": "handling=lenient"})


@FUZZ
@given(asked=pairs)
def test_no_form_breaks_an_answer(send, asked):
    send("Observation/_search", method="POST", data=dict(asked))


@FUZZ
@given(
    path=st.sampled_from(
        [
            "Observation/$validate",
            "Observation/$lastn",
            "Patient/{id}/$summary",
            "Patient/$match",
            "DocumentReference/$docref",
            "Patient/{id}/$everything",
        ]
    ),
    body=json,
)
def test_no_body_breaks_an_answer(send, path, body):
    send(path, method="POST", json=body)

"""Whatever is stated, uploaded, subscribed to or exported, however spoiled: never an error of ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exchange.api.limits import Rate
from exchange.model.ids import golden_id
from exchange.model.partner import Connector

from .shared_records import Records

SCOPES = "system/*.cruds"
OTHER = "00000000-0000-4000-8000-000000000000"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
EXPORT = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "_type", "valueString": "Observation"},
        {"name": "_since", "valueInstant": "2026-11-01T00:00:00Z"},
        {"name": "_typeFilter", "valueString": "Observation?category=laboratory"},
    ],
}
NAMED = {"name": "patient", "valueReference": {"reference": f"Patient/{OTHER}"}}
CHOSEN = {**EXPORT, "parameter": [*EXPORT["parameter"], NAMED]}
EVENTS = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "eventsSinceNumber", "valueString": "1"},
        {"name": "content", "valueCode": "id-only"},
    ],
}
EMERGENCY = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": name, "valueString": "unconscious"}
        for name in ("recipient", "recipient_affiliation", "emergency_nature")
    ],
}
REASON = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "a visit"}]}
PANEL = {
    "resourceType": "Group",
    "type": "person",
    "actual": True,
    "name": "asthma",
    "member": [{"entity": {"reference": f"Patient/{OTHER}"}}],
}
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "id": "{subscription}",
    "status": "requested",
    "reason": "results",
    "end": "2099-01-01T00:00:00Z",
    "criteria": "urn:mosaic:topic:resource-published",
    "_criteria": {
        "extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": "Observation"}]
    },
    "channel": {
        "type": "rest-hook",
        "endpoint": "https://partner.example/hook",
        "header": ["Authorization: Bearer x"],
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]},
    },
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
    "subject": {"reference": "Patient/1"},
    "valueQuantity": {"value": 5.4, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
}
PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Kowalska", "given": ["Anna"]}],
    "birthDate": "1970-01-01",
    "gender": "female",
    "identifier": [{"system": "urn:x", "value": "7"}],
    "telecom": [{"system": "phone", "value": "+1 217 555 0100"}],
    "address": [{"line": ["1 Main St"], "city": "Springfield", "state": "IL", "postalCode": "62701"}],
}
MATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "resource", "resource": PATIENT},
        {"name": "onlyCertainMatches", "valueBoolean": False},
        {"name": "count", "valueInteger": 3},
    ],
}
PUSH = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"request": {"method": "PUT", "url": "Observation/o1"}, "resource": OBSERVATION},
        {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=7"}, "resource": PATIENT},
    ],
}
ROUTES = [
    ("POST", "Group", PANEL),
    ("PUT", f"Group/{OTHER}", PANEL),
    ("DELETE", f"Group/{OTHER}", PANEL),
    ("POST", "Subscription", SUBSCRIPTION),
    ("PUT", "Subscription/{subscription}", SUBSCRIPTION),
    ("POST", "Subscription/{subscription}/$events", EVENTS),
    ("POST", "Patient/{id}/$break-glass", EMERGENCY),
    ("POST", "Patient/{id}/$attest-relationship", REASON),
    ("POST", "$export", EXPORT),
    ("POST", "Patient/$export", CHOSEN),
    ("POST", f"Group/{OTHER}/$export", CHOSEN),
    ("POST", "", PUSH),
    ("POST", "Patient/$match", MATCH),
    ("POST", "Patient/$match", PATIENT),
    ("POST", "Patient/$validate", PATIENT),
    ("POST", "Observation/$validate", OBSERVATION),
]
JSON = {"Content-Type": "application/fhir+json", "Prefer": "respond-async"}
HEADERS = ["If-Match", "If-None-Match", "Idempotency-Key", "Prefer", "Content-Type", "Accept", "Range"]

text = st.text(max_size=20)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    text,
    st.sampled_from(
        ["", "\x00", "a\x00b", "\ufffe", "9" * 400, "0000-00-00", "9999-12-31T23:59:60+14:00", "[", "%"]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.one_of(st.none(), text), max_size=2),
    st.dictionaries(text, text, max_size=2),
)
printable = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
told = st.dictionaries(
    st.sampled_from(HEADERS),
    st.one_of(
        printable,
        st.sampled_from(
            ['W/"1"', 'W/"99999999999"', "*", "respond-async", "application/fhir+xml", "bytes=0-"]
        ),
    ),
    max_size=2,
)
FUZZ = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def places(body, at=()):
    """The path of every part of a document."""
    yield at
    children = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, child in children:
        yield from places(child, (*at, key))


def put(body, place, value):
    """The document with another part in one place."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(body, dict):
        return {**body, key: put(body[key], rest, value)}
    return [put(child, rest, value) if number == key else child for number, child in enumerate(body)]


@st.composite
def spoiled(draw):
    """A request whose body was good before parts of it were replaced, or that is no JSON at all."""
    method, path, body = draw(st.sampled_from(ROUTES))
    if draw(st.integers(0, 9)) == 0:
        return method, path, draw(st.one_of(st.binary(max_size=60), st.just(b"\x00"), st.just(b"[" * 9_000)))
    for _ in range(draw(st.integers(0, 2))):
        body = put(body, draw(st.sampled_from(list(places(body)))), draw(odd))
    return method, path, json.dumps(body).encode(errors="replace")


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def service(service):
    """The hospital pushes, and may keep as much as it likes."""
    hospital = service.participants["lakeside_hospital"]
    pushing = hospital.model_copy(update={"connector": Connector(type="push")})
    most = replace(
        service.limits, participant=Rate(10**6, 10**6), emergencies=10**6, panels=10**6, exports=10**6,
        exports_kept=10**6, pushes=10**6, subscriptions=10**6,
    )  # fmt: skip
    return replace(service, participants={**service.participants, "lakeside_hospital": pushing}, limits=most)


@pytest.fixture
def send(ask, register, token_of, connection, context):
    software = register("lakeside_hospital", scopes=[SCOPES])
    tokens = {
        "all": token_of(software, scope=SCOPES),
        "little": token_of(software, scope="system/Observation.rs"),
        "emergency": token_of(replace(software, purpose="BTG"), scope="system/*.rs"),
    }
    records = Records(connection, context)
    records.register()
    patient = golden_id(records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}]))

    made = ask(
        software, "Subscription", method="POST", token=tokens["all"], json={**SUBSCRIPTION, "id": OTHER},
        headers=JSON,
    ).json()["id"]  # fmt: skip

    def send(method, path, who, content, headers):
        path = path.replace("{id}", patient).replace("{subscription}", made)
        options = {
            "content": content.replace(b"{subscription}", made.encode()),
            "headers": {**JSON, **headers},
        }
        answer = ask(software, path, method=method, token=tokens[who], **options)
        assert answer.status_code < 500, (method, path, options, answer.text)
        if answer.content:
            kind = answer.json()["resourceType"]
            assert answer.status_code < 400 or kind == "OperationOutcome"
        return answer

    return send


def spoil(method, path, body, place, value):
    return method, path, json.dumps(put(body, place, value)).encode()


@FUZZ
@example(spoil("POST", "", PUSH, ("entry", 0, "request", "method"), []), {}, "all")
@given(asked=spoiled(), headers=told, who=st.sampled_from(["all", "all", "little", "emergency"]))
def test_no_spoiled_body_and_no_header_breaks_an_answer(send, asked, headers, who):
    method, path, content = asked
    send(method, path, who, content, headers)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_each_body_is_good_before_it_is_spoiled(send, route):
    method, path, body = route
    who = "emergency" if "glass" in path else "all"
    if path.startswith(f"Group/{OTHER}/"):
        send("PUT", f"Group/{OTHER}", who, json.dumps(PANEL).encode(), {})
    assert send(method, path, who, json.dumps(body).encode(), {}).status_code < 300

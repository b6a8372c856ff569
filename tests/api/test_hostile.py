"""Hostile URLs, headers, bodies and tokens get an OperationOutcome and never a stack trace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from exchange.api import create_app, disable_client, interactions, let_in_again
from exchange.crypto import new_signing_key, public_jwk, sign_jwt


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


def outcome_code(answer):
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return body["issue"][0]["code"]


@pytest.fixture
def forge(service, software):
    """Access tokens made by somebody who knows their form, with a key and claims of his choice."""

    def make(key=None, **changes):
        key = key or service.signing_key
        now = int(service.clock().timestamp())
        claims = {
            "iss": service.base_url,
            "aud": service.fhir_url,
            "sub": software.client_id,
            "jti": "j",
            "iat": now,
            "exp": now + 200,
            "scope": "system/*.rs",
            "participant": "lakeside_hospital",
            "role": "organization",
            "purpose_of_use": "TREAT",
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign_jwt(kept, key, public_jwk(key, "EdDSA")["kid"], "EdDSA")

    return make


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwdw==", "Bearer x", "Bearer a.b.c", "bearer " + "x" * 7000],
)
def test_without_a_token_of_ours_nothing_is_told(api, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("Patient", "Patient/7", "Banana", "Patient/7/$everything", ""):
        answer = api.get(f"/fhir/{path}", headers=headers)
        assert (answer.status_code, outcome_code(answer)) == (401, "login")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_of_ours_is_good(ask, software, forge):
    assert ask(software, "Observation", token=forge()).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_700_000_000},
        {"exp": None},
        {"aud": "https://other.example/fhir"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"sub": None},
        {"jti": None},
        {"scope": None},
        {"participant": None},
        {"purpose_of_use": None},
        {"sub": "somebody-else"},
        {"participant": "prairie_clinic"},
        {"iat": "now"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(ask, software, forge, changes):
    answer = ask(software, "Observation", token=forge(**changes))
    assert answer.status_code in (401, 403)


def test_a_token_signed_by_another_key_is_refused(ask, software, forge):
    assert ask(software, "Observation", token=forge(new_signing_key())).status_code == 401


@pytest.mark.parametrize(
    "changes", [{"role": "janitor"}, {"purpose_of_use": "PUBHLTH"}, {"participant": "gone"}]
)
def test_a_token_for_what_the_participant_may_not_ask_is_refused(ask, software, forge, changes):
    assert ask(software, "Observation", token=forge(**changes)).status_code == 403


def test_a_client_assertion_is_no_access_token(ask, software):
    assert ask(software, "Observation", token=software.assertion()).status_code == 401


def test_a_token_ends_after_five_minutes(ask, software, token_of, clock):
    token = token_of(software)
    clock.shift = timedelta(minutes=5, seconds=1)
    assert ask(software, "Observation", token=token).status_code == 401


def test_a_disabled_client_is_refused_at_once(ask, software, token_of, database, clock):
    token = token_of(software)
    with psycopg.connect(database) as conn:
        disable_client(conn, software.client_id, "participant", clock())
    assert ask(software, "Observation", token=token).status_code == 401


def test_a_client_let_in_again_needs_a_new_token(ask, software, token_of, database, clock):
    """Whoever switched it off may have feared for the tokens that were out."""
    token = token_of(software)
    assert ask(software, "Observation", token=token).status_code == 200
    with psycopg.connect(database) as conn:
        disable_client(conn, software.client_id, "participant", clock())
        clock.shift = timedelta(seconds=2)
        assert let_in_again(conn, software.client_id, "participant", clock())
    assert ask(software, "Observation", token=token).status_code == 401
    clock.shift = timedelta(seconds=4)
    assert ask(software, "Observation", token=token_of(software)).status_code == 200


def test_an_agreement_that_ended_is_refused_at_once(ask, forge, software):
    answer = ask(software, "Observation", token=forge(participant="closed_clinic"))
    assert (answer.status_code, outcome_code(answer)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "", 403, "forbidden"),
        ("GET", "", 405, "not-supported"),
        ("GET", "Banana", 404, "not-supported"),
        ("PUT", "Patient/7", 405, "not-supported"),
        ("DELETE", "Patient/7", 405, "not-supported"),
        ("PATCH", "Patient/7", 405, "not-supported"),
        ("POST", "Patient", 405, "not-supported"),
        ("OPTIONS", "Patient", 405, "not-supported"),
        ("GET", "Patient/7/_history", 404, "not-found"),
        ("GET", "Patient/$match", 405, "not-supported"),
        ("GET", "Patient/..%2f..%2fmetadata", 404, "not-found"),
        ("GET", "Patient/%00", 404, "not-found"),
        ("GET", "Patient/7/%27%20OR%201=1", 404, "not-found"),
        ("GET", "Patient?name=%00", 400, "invalid"),
        ("GET", "Patient?name=%ff", 400, "invalid"),
        ("GET", "Patient?_count=-1", 400, "invalid"),
        ("GET", "Patient?_count=1;DROP TABLE patient", 400, "invalid"),
        ("GET", "Patient?_sort=name;--", 400, "invalid"),
        ("GET", "Patient?_cursor=AAAA", 400, "invalid"),
        ("GET", "Patient?birthdate=banana", 400, "invalid"),
        ("GET", "Patient?birthdate=9999-99-99", 400, "invalid"),
        ("GET", "Observation?value-quantity=abc", 400, "invalid"),
        ("GET", "Observation?code:text=x", 400, "invalid"),
        ("GET", "Patient?name:banana=x", 400, "invalid"),
        ("GET", "Patient?" + "&".join("name=x" for _ in range(101)), 400, "invalid"),
        ("GET", "Patient?name=" + "x" * 9000, 414, "too-long"),
        ("GET", "Patient?_format=xml", 406, "not-supported"),
        ("GET", "Observation/7/$everything", 404, "not-supported"),
    ],
)
def test_a_request_that_is_not_served_gets_an_outcome(ask, software, forge, method, path, status, code):
    answer = ask(software, path, method=method, token=forge())
    assert (answer.status_code, outcome_code(answer)) == (status, code)
    assert answer.headers["x-request-id"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "Task?based-on.based-on.based-on.based-on.based-on.code=x",
        "Patient?" + "&".join(["_has:Observation:patient:code=x"] * 51),
        "Observation?" + "&".join(f"code=c{number}" for number in range(31)),
        "Observation?code-value-quantity=" + ",".join(f"c{number}$gt1" for number in range(21)),
    ],
)
def test_a_search_that_no_database_plans_in_time_is_refused(ask, software, forge, query):
    """The first one took all memory of the database, and the exchange with it."""
    answer = ask(software, query, token=forge())
    assert (answer.status_code, outcome_code(answer)) == (400, "invalid")


def test_a_chain_to_any_type_is_still_answered(ask, software, forge, records):
    assert ask(software, "Task?focus.identifier=x", token=forge()).status_code == 200


def test_a_unit_without_end_is_only_a_word(ask, software, forge, records):
    value = "1|http://unitsofmeasure.org|10*99999999"
    assert ask(software, "Observation", params={"value-quantity": value}, token=forge()).status_code == 200


def test_a_statement_that_takes_too_long_is_ended(service, metrics, software, forge, monkeypatch):
    hasty = replace(service, limits=replace(service.limits, seconds=1))
    monkeypatch.setattr(interactions, "find_page", lambda view, *_: view.conn.execute("SELECT pg_sleep(9)"))
    with TestClient(create_app(hasty, metrics), base_url=service.base_url) as api:
        answer = api.get("/fhir/Observation", headers={"Authorization": f"Bearer {forge()}"})
    assert (answer.status_code, outcome_code(answer)) == (400, "too-costly")


def test_sql_in_a_value_is_a_value(ask, software, forge, records):
    for value in ("'; DROP TABLE resource; --", "%' OR '1'='1", "\\", "\\'", "{}", "%s", "%(a0)s"):
        answer = ask(software, "Patient", params={"family": value}, token=forge())
        assert (answer.status_code, answer.json().get("entry", [])) == (200, [])


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
        ({}, b"name=x", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"name=\xff", 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"name=" + b"x" * 70_000, 413),
    ],
)
def test_a_body_that_is_no_small_form_is_refused(ask, software, forge, headers, content, status):
    answer = ask(software, "Patient/_search", method="POST", headers=headers, content=content, token=forge())
    assert answer.status_code == status
    outcome_code(answer)


@pytest.mark.parametrize(
    "accept", ["application/fhir+xml", "text/html", "application/fhir+json;fhirVersion=5.0"]
)
def test_an_answer_that_is_not_accepted_is_not_made(ask, software, forge, accept):
    assert ask(software, "Patient", headers={"Accept": accept}, token=forge()).status_code == 406
    assert ask(software, "metadata", headers={"Accept": accept}, token=forge()).status_code == 406


@pytest.mark.parametrize(
    ("given", "kept"),
    [("req-1.x_Y", True), ("x" * 65, False), ("<script>", False), ("a b", False), ("", False)],
)
def test_a_request_id_is_echoed_when_it_is_harmless(api, given, kept):
    echoed = api.get("/health", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert (echoed == given) is kept
    assert len(echoed) <= 64


def test_a_header_that_lies_about_the_version_changes_nothing(ask, software, forge, records):
    headers = {
        "If-None-Match": '", W/"\'',
        "If-Modified-Since": "Foo, 99 Bar 9999 99:99:99 GMT",
        "Prefer": "\x7f,,;=",
    }
    assert ask(software, "Patient", headers=headers, token=forge()).status_code == 200


def test_nothing_is_at_other_addresses(api):
    for path in (
        "/",
        "/fhirx",
        "/auth",
        "/docs",
        "/fhir/../etc/passwd",
        "//fhir/metadata",
        "/fhir/a%0Ab",
    ):
        answer = api.get(path)
        assert (outcome_code(answer), answer.headers["cache-control"]) == ("not-found", "private, no-cache")


def test_a_method_the_token_endpoint_does_not_have(api):
    answer = api.get("/auth/token")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_health_says_so_when_the_database_is_gone(api, pool):
    assert api.get("/health").json() == {"status": "ok"}
    pool.close()
    assert api.get("/health").status_code == 503


def test_metrics_count_without_saying_who(ask, software, forge, metrics):
    ask(software, "Patient?family=Kowalska", token=forge())
    text = metrics.text()
    assert 'exchange_api_requests_total{endpoint="fhir",status="200"} 1.0' in text
    assert "Kowalska" not in text
    assert "lakeside" not in text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "BREW"]),
    path=st.lists(
        st.sampled_from(
            ["Patient", "Observation", "_search", "$everything", "_history", "7", "..", "%", "'", "é"]
        ),
        max_size=4,
    ),
    query=st.dictionaries(
        st.sampled_from(
            [
                "_id",
                "name",
                "code",
                "_lastUpdated",
                "_include",
                "patient",
                "birthdate",
                "_sort",
                "_cursor",
                "date",
                "_since",
            ]
        ),
        st.text(max_size=12),
        max_size=3,
    ),
)
def test_whatever_is_asked_is_answered_in_order(api, forge, method, path, query):
    headers = {"Authorization": f"Bearer {forge()}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = api.request(method, "/fhir/" + "/".join(path), params=query, headers=headers)
    assert answer.status_code < 500 or answer.status_code == 501
    assert answer.status_code == 304 or method == "HEAD" or answer.json()["resourceType"]

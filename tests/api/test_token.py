"""SMART Backend Services: who gets a token, and every way of not getting one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import psycopg
import pytest
from starlette.testclient import TestClient

from exchange.api import create_app, disable_client
from exchange.crypto import new_jwk_pair, sign_jwt
from exchange.model.partner import Requests

NOW = int(datetime.now(UTC).timestamp())


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


def refusal(answer):
    return answer.status_code, answer.json()["error"]


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def encoded(data):
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_registered_client_gets_a_short_lived_token(api, register, algorithm):
    answer = api.post("/auth/token", data=register(algorithm=algorithm).form())
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["scope"]) == (200, "bearer", "system/*.rs")
    assert 0 < body["expires_in"] <= 300
    assert answer.headers["cache-control"] == "no-store"


def test_the_token_is_bound_to_client_participant_role_and_purpose(api, software, token_of):
    b2b = software.b2b(subject_role="physician", purpose_of_use=["HOPERAT"])
    claims = claims_of(token_of(software, assertion=software.assertion(extensions={"hl7-b2b": b2b})))
    assert (claims["sub"], claims["participant"]) == (software.client_id, "lakeside_hospital")
    assert (claims["role"], claims["purpose_of_use"]) == ("physician", "HOPERAT")
    assert claims["exp"] - claims["iat"] <= 300


@pytest.mark.parametrize(
    "organization",
    [
        "https://lakeside-hospital.example/",
        "urn:mosaic:partner:lakeside_hospital",
        "urn:oid:2.16.840.1.113883.4.6#1999999984",
    ],
)
def test_an_organization_may_be_named_by_namespace_code_or_npi(software, token_of, organization):
    b2b = software.b2b(organization_id=organization)
    assert token_of(software, assertion=software.assertion(extensions={"hl7-b2b": b2b}))


def test_without_a_subject_role_the_organization_itself_asks(software, token_of):
    b2b = software.b2b(subject_role=None)
    token = token_of(software, assertion=software.assertion(extensions={"hl7-b2b": b2b}))
    assert claims_of(token)["role"] == "organization"


def test_seconds_rounded_up_and_down_are_within_five_minutes(api, software):
    """bulk-data-client rounds `exp`, and its library cuts `iat` off."""
    now = int(datetime.now(UTC).timestamp())
    assertion = software.assertion(iat=now, exp=now + 301)
    assert api.post("/auth/token", data=software.form(assertion)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"sub": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"aud": "https://hie.example/fhir"},
        {"aud": ["https://other.example/auth/token"]},
        {"aud": None},
        {"exp": NOW - 1},
        {"exp": NOW + 3600},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**30},
        {"iat": NOW + 3600},
        {"iat": NOW - 600},
        {"iat": "now"},
        {"nbf": NOW + 3600},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 257},
        {"jti": "with space"},
    ],
    ids=lambda wrong: "-".join(wrong),  # not the values: some are times, and workers must agree
)
def test_an_assertion_with_a_wrong_claim_is_refused(api, software, changes):
    answer = api.post("/auth/token", data=software.form(software.assertion(**changes)))
    assert refusal(answer) == (401, "invalid_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2"},
        {"version": None},
        {"organization_id": None},
        {"organization_id": "https://prairie-clinic.example/"},
        {"organization_id": ["https://lakeside-hospital.example/"]},
        {"subject_role": "janitor"},
        {"subject_role": ["physician"]},
        {"subject_role": ""},
        {"purpose_of_use": None},
        {"purpose_of_use": []},
        {"purpose_of_use": ["TREAT", "HOPERAT"]},
        {"purpose_of_use": "TREAT"},
        {"purpose_of_use": ["PUBHLTH"]},
        {"purpose_of_use": ["urn:oid:1.2.3#TREAT"]},
        {"purpose_of_use": [{"code": "TREAT"}]},
    ],
    ids=str,
)
def test_a_b2b_extension_that_does_not_fit_the_participant_is_refused(api, software, changes):
    assertion = software.assertion(extensions={"hl7-b2b": software.b2b(**changes)})
    assert refusal(api.post("/auth/token", data=software.form(assertion))) == (400, "invalid_grant")


@pytest.mark.parametrize("extensions", [None, {}, {"hl7-b2b": None}, {"hl7-b2b": "TREAT"}, [], "hl7-b2b"])
def test_without_a_b2b_extension_there_is_no_token(api, software, extensions):
    answer = api.post("/auth/token", data=software.form(software.assertion(extensions=extensions)))
    assert refusal(answer) == (400, "invalid_grant")


@pytest.mark.parametrize("purpose", ["TREAT", "HOPERAT"])
def test_a_client_with_one_purpose_needs_no_extension(api, register, purpose):
    """Any software for SMART Backend Services will do; what it asks for stands in its registration."""
    plain = register("lakeside_hospital", purposes=[purpose])
    answer = api.post("/auth/token", data=plain.form(plain.assertion(extensions=None)))
    claims = claims_of(answer.json()["access_token"])
    assert (claims["participant"], claims["role"]) == ("lakeside_hospital", "organization")
    assert claims["purpose_of_use"] == purpose


@pytest.mark.parametrize("extensions", [{}, {"hl7-b2b": None}, {"hl7-b2b": {"version": "1"}}, [], "hl7-b2b"])
def test_an_extension_that_is_there_is_read_of_a_client_with_one_purpose_too(api, register, extensions):
    plain = register("lakeside_hospital", purposes=["TREAT"])
    answer = api.post("/auth/token", data=plain.form(plain.assertion(extensions=extensions)))
    assert refusal(answer) == (400, "invalid_grant")


def test_the_only_purpose_of_a_client_must_still_be_one_of_its_participant(api, service, register, metrics):
    plain = register("lakeside_hospital", purposes=["TREAT"])
    hospital = service.participants["lakeside_hospital"]
    less = hospital.model_copy(update={"requests": Requests(roles=("organization",), purposes=("COVERAGE",))})
    changed = replace(service, participants={"lakeside_hospital": less})
    with TestClient(create_app(changed, metrics), base_url=service.base_url) as client:
        answer = client.post("/auth/token", data=plain.form(plain.assertion(extensions=None)))
    assert refusal(answer) == (400, "invalid_grant")


def test_an_assertion_serves_once(api, software):
    form = software.form()
    assert api.post("/auth/token", data=form).status_code == 200
    assert refusal(api.post("/auth/token", data=form)) == (401, "invalid_client")


def test_an_assertion_is_spent_even_when_no_token_comes_of_it(api, software):
    form = software.form()
    assert refusal(api.post("/auth/token", data={**form, "scope": "openid"})) == (400, "invalid_scope")
    assert refusal(api.post("/auth/token", data=form)) == (401, "invalid_client")


def test_two_clients_may_choose_the_same_jti(api, register):
    for found in (register(), register("prairie_clinic")):
        answer = api.post("/auth/token", data=found.form(found.assertion(jti="the-same")))
        assert answer.status_code == 200


def test_a_signature_by_another_key_is_refused(api, software):
    stranger, _ = new_jwk_pair("ES384")
    forged = sign_jwt(software.claims(), stranger, software.jwk["kid"], "ES384")
    assert refusal(api.post("/auth/token", data=software.form(forged))) == (401, "invalid_client")


def test_a_key_id_that_is_not_registered_is_refused(api, software):
    unknown = sign_jwt(software.claims(), software.private_key, "other", "ES384")
    assert refusal(api.post("/auth/token", data=software.form(unknown))) == (401, "invalid_client")


def test_an_assertion_without_signature_is_refused(api, software):
    header = {"alg": "none", "typ": "JWT", "kid": software.jwk["kid"]}
    naked = f"{encoded(header)}.{encoded(software.claims())}."
    assert refusal(api.post("/auth/token", data=software.form(naked))) == (401, "invalid_client")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "RS384"])
def test_a_key_serves_only_its_own_algorithm(api, software, algorithm):
    header = {"alg": algorithm, "typ": "JWT", "kid": software.jwk["kid"]}
    signed = f"{encoded(header)}.{encoded(software.claims())}"
    secret = json.dumps(software.jwk).encode()
    mac = base64.urlsafe_b64encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())
    confused = f"{signed}.{mac.rstrip(b'=').decode()}"
    assert refusal(api.post("/auth/token", data=software.form(confused))) == (401, "invalid_client")


@pytest.mark.parametrize(
    "header",
    [{"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example"}, {"crit": ["x"]}, {"typ": "at"}],
)
def test_headers_that_point_elsewhere_are_refused(api, software, header):
    signed = jwt.encode(
        software.claims(), software.private_key, "ES384", headers={"kid": software.jwk["kid"], **header}
    )
    assert refusal(api.post("/auth/token", data=software.form(signed))) == (401, "invalid_client")


def test_a_key_in_the_header_counts_for_nothing(api, software):
    private_key, jwk = new_jwk_pair("ES384")
    signed = jwt.encode(software.claims(), private_key, "ES384", headers={"kid": jwk["kid"], "jwk": jwk})
    assert refusal(api.post("/auth/token", data=software.form(signed))) == (401, "invalid_client")


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "x" * 20_000, "bnVsbA.bnVsbA.bnVsbA"]
)
def test_an_assertion_that_is_none_is_refused(api, software, text):
    answer = api.post("/auth/token", data={**software.form(), "client_assertion": text})
    assert refusal(answer) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grant_type": "authorization_code"}, (400, "unsupported_grant_type")),
        ({"grant_type": None}, (400, "unsupported_grant_type")),
        ({"client_assertion_type": "urn:other"}, (401, "invalid_client")),
        ({"client_assertion_type": None}, (401, "invalid_client")),
        ({"client_id": "somebody-else"}, (401, "invalid_client")),
        ({"scope": None}, (400, "invalid_scope")),
        ({"scope": "user/*.read openid"}, (400, "invalid_scope")),
        ({"scope": "system/*.cud"}, (400, "invalid_scope")),
        ({"scope": "system/Observation.rs?date=gt2020-01-01"}, (400, "invalid_scope")),
        ({"scope": "system/*.rs?category=laboratory"}, (400, "invalid_scope")),
        ({"scope": "system/Observation.rs?category:not=laboratory"}, (400, "invalid_scope")),
    ],
)
def test_a_form_that_asks_for_something_else_is_refused(api, software, changes, expected):
    assert refusal(api.post("/auth/token", data=software.form(**changes))) == expected


def test_a_parameter_given_twice_is_refused(api, software):
    body = "&".join(["scope=system/*.rs", "scope=system/*.rs"])
    answer = api.post(
        "/auth/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert refusal(answer) == (400, "invalid_request")


def test_credentials_in_the_url_are_refused(api, software):
    answer = api.post("/auth/token", params=software.form(), data={"x": "y"})
    assert refusal(answer) == (400, "invalid_request")


def test_a_body_that_is_no_form_is_refused(api, software):
    assert refusal(api.post("/auth/token", json=software.form())) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("registered", "asked", "granted"),
    [
        (["system/*.rs"], "system/Patient.r", "system/Patient.r"),
        (["system/Patient.rs"], "system/*.rs", "system/Patient.rs"),
        (["system/*.read"], "system/*.read", "system/*.rs"),
        (["system/*.rs"], "system/*.cruds system/Patient.write", "system/*.rs"),
        (["system/Patient.r"], "system/Patient.rs launch", "system/Patient.r"),
    ],
)
def test_a_scope_is_never_wider_than_asked_for_and_registered(api, register, registered, asked, granted):
    answer = api.post("/auth/token", data=register(scopes=registered).form(scope=asked))
    assert answer.json()["scope"] == granted


def test_a_client_may_be_registered_for_less_than_its_participant(api, register):
    narrow = register(purposes=["HOPERAT"], roles=["organization"])
    as_physician = {"hl7-b2b": narrow.b2b(subject_role="physician")}
    for_treatment = {"hl7-b2b": narrow.b2b(purpose_of_use=["TREAT"])}
    for extensions in (as_physician, for_treatment):
        answer = api.post("/auth/token", data=narrow.form(narrow.assertion(extensions=extensions)))
        assert refusal(answer) == (400, "invalid_grant")


def test_a_participant_without_an_agreement_in_force_gets_no_token(api, register):
    answer = api.post("/auth/token", data=register("closed_clinic").form())
    assert refusal(answer) == (400, "unauthorized_client")


def test_a_disabled_client_is_as_unknown_as_any(api, database, software):
    stranger = api.post(
        "/auth/token", data={**software.form(), "client_assertion": software.assertion(iss="x-y")}
    )
    with psycopg.connect(database) as conn:
        assert disable_client(conn, software.client_id, "exchange", datetime.now(UTC))
    disabled = api.post("/auth/token", data=software.form())
    assert disabled.json() == stranger.json()
    assert disabled.status_code == stranger.status_code == 401


def test_every_yes_and_every_no_is_in_the_audit_log(api, software, audit_rows):
    form = software.form()
    api.post("/auth/token", data=form)
    api.post("/auth/token", data=form)
    api.post("/auth/token", data={**software.form(), "client_assertion": software.assertion(iss="x-y")})
    kinds = [(kind, participant) for kind, participant, *_ in audit_rows()]
    assert kinds == [
        ("token.issued", "lakeside_hospital"),
        ("token.refused", "lakeside_hospital"),
        ("token.refused", None),
    ]


def test_no_credential_is_in_the_audit_log(api, software, audit_rows):
    form = software.form()
    token = api.post("/auth/token", data=form).json()["access_token"]
    text = json.dumps([body for *_, body in audit_rows()])
    kept = base64.b64decode(audit_rows()[0][3]["entity"][0]["query"]).decode()
    for secret in (form["client_assertion"], token):
        assert secret not in text
        assert secret not in kept


def test_an_address_that_asks_too_often_must_wait(service, metrics):
    still = replace(service, timer=lambda: 0.0)
    with TestClient(create_app(still, metrics), base_url=service.base_url) as api:
        answers = [api.post("/auth/token", data={"grant_type": "x"}) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1


def test_introspection_describes_a_token_of_the_own_participant_only(api, register, token_of):
    own, other = register(), register("prairie_clinic")
    token = token_of(own)
    seen = api.post("/auth/introspect", data={**own.form(), "token": token}).json()
    assert (seen["active"], seen["client_id"], seen["purpose_of_use"]) == (True, own.client_id, "TREAT")
    assert api.post("/auth/introspect", data={**other.form(), "token": token}).json() == {"active": False}


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_introspection_of_any_other_text_says_inactive(api, software, token):
    answer = api.post("/auth/introspect", data={**software.form(), "token": token})
    assert answer.json() == {"active": False}


@pytest.mark.parametrize("address", ["/auth/introspect", "/auth/revoke"])
def test_a_question_about_no_token_is_no_question(api, software, address):
    assert refusal(api.post(address, data=software.form())) == (400, "invalid_request")


def test_introspection_needs_a_client(api, software, token_of):
    answer = api.post("/auth/introspect", data={"token": token_of(software)})
    assert refusal(answer) == (401, "invalid_client")


def test_a_revoked_token_is_inactive_and_its_revocation_recorded(api, software, token_of, audit_rows):
    token = token_of(software)
    assert api.post("/auth/revoke", data={**software.form(), "token": token}).status_code == 200
    assert api.post("/auth/introspect", data={**software.form(), "token": token}).json() == {"active": False}
    assert [kind for kind, *_ in audit_rows()] == ["token.issued", "token.revoked"]


def test_nobody_revokes_the_token_of_another_client(api, register, token_of):
    own, other = register(), register("prairie_clinic")
    token = token_of(own)
    assert api.post("/auth/revoke", data={**other.form(), "token": token}).status_code == 200
    assert api.post("/auth/introspect", data={**own.form(), "token": token}).json()["active"]


def test_spent_assertions_are_forgotten_when_they_would_have_expired(api, database, software, clock):
    api.post("/auth/token", data=software.form())
    clock.shift = timedelta(minutes=6)
    now = int(clock().timestamp())
    later = software.assertion(exp=now + 200, iat=None)
    api.post("/auth/token", data=software.form(later))
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM client_assertion").fetchone() == (1,)


def test_discovery_says_the_same_at_both_addresses(api):
    here, there = (api.get(f"{base}/.well-known/smart-configuration").json() for base in ("", "/fhir"))
    assert here == there
    assert here["token_endpoint"] == "https://hie.example/auth/token"
    assert here["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "client-confidential-asymmetric" in here["capabilities"]

"""SMART Backend Services: tokens for software of the participants, their introspection and revocation.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

import psycopg

from exchange.api import access
from exchange.api.assertion import (
    ALGORITHMS,
    SKEW,
    Assertion,
    OAuthRefused,
    check_claims,
    issuer_of,
    kid_of,
    requested_viewer,
    told_in_b2b,
)
from exchange.api.clients import Client, find_client
from exchange.api.messages import Answer, Call, Parameters, Refusal, form_of, json_answer
from exchange.api.scopes import narrow, parse_scopes
from exchange.api.service import Service, as_api
from exchange.audit import Entry, Requester, append, token_entry
from exchange.crypto.tokens import TokenRefused, verify_jwt
from exchange.model.records import Viewer

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_PARAMETERS = 20
_LONGEST_KEPT = 2_000
_LONGEST_SCOPE = 2_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of a client that proved who it is."""

    service: Service
    call: Call
    form: Mapping[str, str]
    client: Client
    assertion: Assertion


_Act = Callable[[psycopg.Connection, _Asked], tuple[Answer, Entry | None]]


def token(service: Service, call: Call) -> Answer:
    """Answers POST /auth/token; every yes and every no is in the audit log before it leaves."""
    return _authenticated(service, call, _grant)


def introspect(service: Service, call: Call) -> Answer:
    """Answers POST /auth/introspect about tokens of the asking client's own participant (RFC 7662)."""
    return _authenticated(service, call, _introspect)


def revoke(service: Service, call: Call) -> Answer:
    """Answers POST /auth/revoke; a token of another client is left alone without saying so (RFC 7009)."""
    return _authenticated(service, call, _revoke)


def _authenticated(service: Service, call: Call, act: _Act) -> Answer:
    """One transaction: the assertion is spent and the record is kept, whether `act` agrees or refuses."""
    try:
        form = _form(call)
    except OAuthRefused as refusal:
        return _error(refusal)
    _fetch_keys(service, form)
    with as_api(service) as conn:
        client: Client | None = None
        try:
            client = _claimed_client(conn, form)
            assertion = _authenticate(service, conn, client, form["client_assertion"], call.at)
            answer, entry = act(conn, _Asked(service, call, form, client, assertion))
        except OAuthRefused as refusal:
            answer = _error(refusal)
            entry = _refused_entry(service, client, form, call, refusal)
        if entry is not None:
            append(conn, [entry])
    return answer


def _grant(conn: psycopg.Connection, asked: _Asked) -> tuple[Answer, Entry | None]:
    service, call, client = asked.service, asked.call, asked.client
    if asked.form.get("grant_type") != "client_credentials":
        raise OAuthRefused("unsupported_grant_type", "`grant_type` must be client_credentials")
    participant = service.participants.get(client.participant)
    if participant is None or not access.in_force(participant, call.at):
        raise OAuthRefused("unauthorized_client", "no agreement with the participant is in force")
    viewer = requested_viewer(asked.assertion.claims, client, participant)
    told = told_in_b2b(asked.assertion.claims)
    scopes = narrow(parse_scopes(asked.form.get("scope", "")), parse_scopes(" ".join(client.scopes)))
    if not scopes:
        raise OAuthRefused("invalid_scope", "none of the scopes is registered for this client")
    if len(" ".join(map(str, scopes))) > _LONGEST_SCOPE:
        raise OAuthRefused("invalid_scope", "too many scopes at once; ask for fewer")
    text, granted = access.issue(service, viewer, client, scopes, call.at, call.certificate)
    body = {
        "access_token": text,
        "token_type": "bearer",
        "expires_in": int(access.LIFETIME.total_seconds()),
        "scope": " ".join(map(str, scopes)),
    }
    return _answer(body), _token_entry("token.issued", asked, granted, told)


def _introspect(conn: psycopg.Connection, asked: _Asked) -> tuple[Answer, Entry | None]:
    service, at = asked.service, asked.call.at
    held = access.read_token(service, _token_asked_about(asked), at)
    if held is None or held.viewer.participant != asked.client.participant:
        return _answer({"active": False}), None
    participant = service.participants.get(held.viewer.participant)
    if not access.is_standing(conn, held) or not access.may_ask(participant, held.viewer, at):
        return _answer({"active": False}), None
    return _answer(_description(service, held)), None


def _revoke(conn: psycopg.Connection, asked: _Asked) -> tuple[Answer, Entry | None]:
    held = access.read_token(asked.service, _token_asked_about(asked), asked.call.at)
    if held is None or held.client_id != asked.client.client_id:
        return _answer({}), None
    conn.execute("SELECT revoke_token(%s, %s, %s)", (held.jti, held.expires, asked.call.at))
    return _answer({}), _token_entry("token.revoked", asked, held)


def _token_asked_about(asked: _Asked) -> str:
    token = asked.form.get("token")
    if token is None:
        raise OAuthRefused("invalid_request", "`token` is required")
    return token


def _token_entry(
    kind: Literal["token.issued", "token.revoked"],
    asked: _Asked,
    held: access.Access,
    told: Mapping[str, str] | None = None,
) -> Entry:
    who = access.requester(asked.service, held.client_id, held.viewer, held.jti)
    # What was signed comes first, so that it is not cut off, and last, so that the form does not replace it.
    request = _kept({**(told or {}), **asked.form, **(told or {})})
    return token_entry(kind, who, access.circumstances(asked.service, asked.call), request)


def _form(call: Call) -> Mapping[str, str]:
    """The form of the request; OAuth wants every parameter once (RFC 6749 section 3.2)."""
    try:
        pairs: Parameters = form_of(call, _MOST_PARAMETERS)
    except Refusal as refusal:
        raise OAuthRefused("invalid_request", str(refusal)) from None
    form = dict(pairs)
    if len(form) != len(pairs) or call.query:
        raise OAuthRefused("invalid_request", "parameters belong into the body, each one once")
    return form


def _claimed_client(conn: psycopg.Connection, form: Mapping[str, str]) -> Client:
    """The registration the assertion points to; nothing of it is proven yet."""
    if form.get("client_assertion_type") != _ASSERTION_TYPE or "client_assertion" not in form:
        raise OAuthRefused("invalid_client", f"a client_assertion of type {_ASSERTION_TYPE} is required")
    issuer = issuer_of(form["client_assertion"])
    if form.get("client_id", issuer) != issuer:
        raise OAuthRefused("invalid_client", "`client_id` is not the issuer of the assertion")
    client = find_client(conn, issuer)
    if client is None:
        raise OAuthRefused("invalid_client", "the client is not registered")
    return client


def _fetch_keys(service: Service, form: Mapping[str, str]) -> None:
    """Keys under an address are fetched before the transaction begins, or a slow host would hold it open."""
    try:
        with as_api(service) as conn:
            client = _claimed_client(conn, form)
    except OAuthRefused:
        return  # it is refused, and recorded, in the transaction that follows
    if client.jwks_url:
        service.keysets.refresh(client.jwks_url, kid_of(form["client_assertion"]))


def _authenticate(
    service: Service, conn: psycopg.Connection, client: Client, token: str, at: datetime
) -> Assertion:
    """Proves that the client signed the assertion, for us, now, and that it was not used before."""
    keys = service.keysets.keys(client.jwks_url) if client.jwks_url else client.jwks
    try:
        claims = verify_jwt(token, keys, service.token_url, ALGORITHMS)
    except TokenRefused as refusal:
        raise OAuthRefused("invalid_client", str(refusal)) from None
    assertion = check_claims(claims, client.client_id, at)
    first = conn.execute(
        "SELECT use_client_assertion(%s, %s, %s, %s)",
        (client.client_id, assertion.jti, assertion.expires + SKEW, at),
    ).fetchone()
    if not first or not first[0]:
        raise OAuthRefused("invalid_client", "the assertion was used before (`jti`)")
    return assertion


def _refused_entry(
    service: Service, client: Client | None, form: Mapping[str, str], call: Call, refusal: OAuthRefused
) -> Entry:
    """The client is the one the assertion claims; `outcomeDesc` says whether it was proven."""
    who: Requester | None = None
    if client is not None:
        who = access.requester(service, client.client_id, Viewer(client.participant, "", ""), "")
    how = access.circumstances(service, call)
    return token_entry("token.refused", who, how, _kept(form), f"{refusal.code}: {refusal.reason}")


def _kept(form: Mapping[str, str]) -> str:
    """The request as the audit log keeps it: without credentials, and no longer than need be."""
    return urlencode({k: v for k, v in form.items() if k not in ("client_assertion", "token")})[
        :_LONGEST_KEPT
    ]


def _description(service: Service, held: access.Access) -> Mapping[str, object]:
    return {
        "active": True,
        "token_type": "bearer",
        "iss": service.base_url,
        "aud": service.fhir_url,
        "sub": held.client_id,
        "client_id": held.client_id,
        "jti": held.jti,
        "iat": _seconds(held.issued),
        "exp": _seconds(held.expires),
        "scope": " ".join(map(str, held.scopes)),
        "participant": held.viewer.participant,
        "role": held.viewer.role,
        "purpose_of_use": held.viewer.purpose,
        **access.confirmation(held),
    }


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _error(refusal: OAuthRefused) -> Answer:
    return _answer({"error": refusal.code, "error_description": refusal.reason}, refusal.status)


def _answer(data: Mapping[str, object], status: int = 200) -> Answer:
    return replace(json_answer(data, status), headers=_NO_STORE)

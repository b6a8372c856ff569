"""The same three FHIR queries asked by three organizations, over HTTP with real tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

import orjson

from exchange.api import Client, Service, register_client
from exchange.app import Exchange
from exchange.crypto import new_jwk_pair, sign_jwt
from exchange.model.records import Viewer

SCOPES = "system/*.rs system/Subscription.cruds"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PURPOSES = "urn:oid:2.16.840.1.113883.5.8"
QUERIES = (
    "Who is it? (Patient)",
    "Problems (Condition)",
    "Everything there is ($everything)",
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What one requester got to each of QUERIES, in words."""

    viewer: Viewer
    cells: tuple[str, ...]
    types: Mapping[str, int]


def ask(exchange: Exchange, service: Service, viewer: Viewer, person: Mapping[str, str]) -> Answers:
    """Registers a client for the requester, gets a token, and asks about one person."""
    token = token_of(exchange, service, viewer)

    def asks(method: str, path: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        return call(f"{service.fhir_url}/{path}", Asking(method, token, form))

    found = asks("POST", "Patient/_search", person)
    patients = [entry["resource"] for entry in found.get("entry", [])]
    if not patients:
        return Answers(viewer, ("nobody by that name", "–", "–"), {})
    patient = patients[0]["id"]
    conditions = _all(asks, f"Condition?{urlencode({'patient': patient, '_count': '100'})}")
    everything = _all(asks, f"Patient/{patient}/$everything?_count=200")
    types: dict[str, int] = {}
    for resource in everything:
        types[resource["resourceType"]] = types.get(resource["resourceType"], 0) + 1
    identifiers = len(patients[0].get("identifier", []))
    cells = (
        f"{len(patients)} person, {identifiers} identifiers",
        f"{len(conditions)} problems",
        f"{len(everything)} resources of {len(types)} types",
    )
    return Answers(viewer, cells, types)


def _all(call: Any, path: str) -> list[dict[str, Any]]:
    """Every resource of all pages."""
    resources: list[dict[str, Any]] = []
    while path:
        page = call("GET", path)
        resources += [entry["resource"] for entry in page.get("entry", [])]
        following = [link["url"] for link in page.get("link", []) if link["relation"] == "next"]
        path = following[0].split("/fhir/", 1)[1] if following else ""
    return resources


def token_of(exchange: Exchange, service: Service, viewer: Viewer) -> str:
    """A SMART Backend Services token bound to the viewer's organization and purpose."""
    private, public = new_jwk_pair("ES384")
    partner = exchange.partners[viewer.participant]
    client = Client(
        client_id=f"demo-{viewer.participant}",
        participant=viewer.participant,
        jwks={"keys": [public]},
        scopes=SCOPES.split(),
        roles=list(partner.requests.roles),
        purposes=list(partner.requests.purposes),
    )
    with exchange.work.connect() as connection:
        register_client(connection, client, partner, exchange.work.now())
        connection.commit()
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": service.token_url,
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + 240,
        "extensions": {
            "hl7-b2b": {
                "version": "1",
                "organization_id": partner.namespace,
                "organization_name": partner.organization.name,
                "subject_role": viewer.role,
                "purpose_of_use": [f"{_PURPOSES}#{viewer.purpose}"],
            }
        },
    }
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPES,
        "client_assertion_type": _ASSERTION,
        "client_assertion": sign_jwt(claims, private, public["kid"], "ES384"),
    }
    return str(call(service.token_url, Asking("POST", "", form))["access_token"])


@dataclass(frozen=True, slots=True)
class Asking:
    """A request but for its URL; its body is a form or a resource."""

    method: str
    token: str
    form: Mapping[str, str] | None = None
    resource: Mapping[str, Any] | None = None


def call(url: str, asking: Asking) -> dict[str, Any]:
    """The JSON that is answered, {} for nothing; raises HTTPError."""
    body = urlencode(asking.form).encode() if asking.form else None
    request = Request(url, method=asking.method, data=body)  # noqa: S310 - loopback only
    request.add_header("Accept", "application/fhir+json, application/json")
    if asking.resource:
        request.data = orjson.dumps(asking.resource)
        request.add_header("Content-Type", "application/fhir+json")
    if asking.token:
        request.add_header("Authorization", f"Bearer {asking.token}")
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback only
        found: dict[str, Any] = orjson.loads(answer.read() or b"{}")
        return found

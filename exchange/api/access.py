"""Access tokens: signed, short-lived, bound to one client, participant, role and purpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from exchange.api.clients import Client
from exchange.api.messages import Call, Refusal
from exchange.api.scopes import Scope, allows, parse_scopes
from exchange.api.service import Service
from exchange.audit import Circumstances, Requester
from exchange.consent import participant
from exchange.crypto.tokens import TokenRefused, public_jwk, sign_jwt, verify_jwt
from exchange.model.partner import Partner
from exchange.model.records import Viewer

LIFETIME = timedelta(minutes=5)
_ALGORITHM = "EdDSA"
_MAXIMUM = 4_096
_THUMBPRINT = "x5t#S256"


@dataclass(frozen=True, slots=True)
class Access:
    """What a token grants, and the words the audit log uses for who holds it.

    `certificate`: thumbprint of the one it is bound to, if it is (RFC 8705).
    """

    viewer: Viewer
    client_id: str
    scopes: tuple[Scope, ...]
    jti: str
    issued: datetime
    expires: datetime
    certificate: str = ""


def issue(
    service: Service,
    viewer: Viewer,
    client: Client,
    scopes: Iterable[Scope],
    at: datetime,
    certificate: str = "",
) -> tuple[str, Access]:
    """A new access token and what it grants; asked for with a certificate, it is good with that one alone."""
    issued = at.replace(microsecond=0)
    until, jti = issued + LIFETIME, str(uuid4())
    access = Access(viewer, client.client_id, tuple(scopes), jti, issued, until, certificate)
    claims = {
        "iss": service.base_url,
        "aud": service.fhir_url,
        "sub": client.client_id,
        "jti": access.jti,
        "iat": int(access.issued.timestamp()),
        "exp": int(access.expires.timestamp()),
        "scope": " ".join(map(str, access.scopes)),
        "participant": viewer.participant,
        "role": viewer.role,
        "purpose_of_use": viewer.purpose,
        **confirmation(access),
    }
    kid = public_jwk(service.signing_key, _ALGORITHM)["kid"]
    return sign_jwt(claims, service.signing_key, kid, _ALGORITHM), access


def read_token(service: Service, token: str, at: datetime) -> Access | None:
    """What a token of ours grants until it expires, None for any other text; revocation is asked apart."""
    if len(token) > _MAXIMUM:
        return None
    try:
        keys = {"keys": [public_jwk(service.signing_key, _ALGORITHM)]}
        claims = verify_jwt(token, keys, service.fhir_url, [_ALGORITHM])
        access = Access(
            Viewer(claims["participant"], claims["role"], claims["purpose_of_use"]),
            claims["sub"],
            parse_scopes(claims["scope"]),
            claims["jti"],
            datetime.fromtimestamp(claims["iat"], UTC),
            datetime.fromtimestamp(claims["exp"], UTC),
            claims.get("cnf", {}).get(_THUMBPRINT, ""),
        )
    except (TokenRefused, AttributeError, KeyError, TypeError, ValueError):
        return None
    return access if claims.get("iss") == service.base_url and at < access.expires else None


def confirmation(access: Access) -> dict[str, dict[str, str]]:
    """The claim `cnf` of a token that is bound to a certificate, none of another."""
    return {"cnf": {_THUMBPRINT: access.certificate}} if access.certificate else {}


def is_bound_to(access: Access, call: Call) -> bool:
    """Whether the token may be used with this request's certificate; one that is not bound may with any."""
    return access.certificate in ("", call.certificate)


def bearer(call: Call) -> str:
    """The token of the Authorization header; raises Refusal (401) without one."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("an access token is needed: Authorization: Bearer <token>", "")
    return token.strip()


def unauthorized(text: str, error: str = "invalid_token") -> Refusal:
    """401 with the challenge of RFC 6750 section 3."""
    challenge = (
        f'Bearer realm="Mosaic Exchange", error="{error}"' if error else 'Bearer realm="Mosaic Exchange"'
    )
    return Refusal(401, "login", text, {"WWW-Authenticate": challenge})


def is_standing(conn: psycopg.Connection, access: Access) -> bool:
    """Whether the token was not revoked and its client not disabled since, as of this transaction."""
    found = conn.execute(f"SELECT {STANDING}", standing(access)).fetchone()
    return bool(found and found[0])


STANDING = (
    "(EXISTS (SELECT FROM client WHERE client_id = %(client)s AND participant = %(participant)s"
    " AND disabled IS NULL AND coalesce(let_in <= %(issued)s, true))"
    " AND NOT EXISTS (SELECT FROM revoked_token WHERE jti = %(jti)s))"
)
"""SQL of the same, with the arguments of `standing`."""


def standing(access: Access) -> dict[str, str | datetime]:
    """The arguments of `STANDING`."""
    return {
        "client": access.client_id, "participant": access.viewer.participant, "jti": access.jti,
        "issued": access.issued,
    }  # fmt: skip


def may_ask(partner: Partner | None, viewer: Viewer, at: datetime) -> bool:
    """Whether the agreement is in force and partner.yaml (still) names the role and the purpose."""
    if partner is None:
        return False
    requests = partner.requests
    return in_force(partner, at) and viewer.role in requests.roles and viewer.purpose in requests.purposes


def in_force(partner: Partner, at: datetime) -> bool:
    """Whether the participant's agreement binds it at that instant."""
    return participant(partner).bound_at(at)


def require(access: Access, resource_type: str, action: str) -> None:
    """Raises Refusal (403) unless a scope grants `action` (r or s) on the type; `*` stands for every type."""
    if not allows(access.scopes, resource_type, action):
        scope = f"system/{resource_type}.{action}"
        challenge = f'Bearer realm="Mosaic Exchange", error="insufficient_scope", scope="{scope}"'
        raise Refusal(403, "forbidden", f"the token lacks the scope {scope}", {"WWW-Authenticate": challenge})


def requester(service: Service, client_id: str, viewer: Viewer, jti: str) -> Requester:
    """The words the audit log uses, with the organization's name and address as they are today."""
    return Requester(
        client=client_id,
        participant=viewer.participant,
        organization=_name_and_address(service.participants.get(viewer.participant)),
        role=viewer.role,
        purpose=viewer.purpose,
        token=jti,
    )


def circumstances(service: Service, call: Call) -> Circumstances:
    return Circumstances(call.at, service.base_url, call.address, call.request_id)


def _name_and_address(partner: Partner | None) -> str:
    if partner is None:
        return "not a participant any more"
    return ", ".join(filter(None, (partner.organization.name, partner.organization.address)))

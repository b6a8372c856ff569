"""What a client says about itself in its signed assertion, checked apart from the signature.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
https://hl7.org/fhir/us/udap-security/b2b.html (extension hl7-b2b)
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from exchange.api.clients import Client
from exchange.model.errors import ExchangeError
from exchange.model.partner import Partner
from exchange.model.records import Viewer

ALGORITHMS = ("RS384", "ES384")
LIFETIME = timedelta(minutes=5)
SKEW = timedelta(seconds=5)
ORGANIZATION_ROLE = "organization"

_JTI = re.compile(r"[\x21-\x7e]{1,256}")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+")
_MAXIMUM = 8_192
_NPI = "urn:oid:2.16.840.1.113883.4.6#"
_PURPOSE = re.compile(
    r"(?:urn:oid:2\.16\.840\.1\.113883\.5\.8#|http://terminology\.hl7\.org/CodeSystem/v3-ActReason[#|])?([A-Z]{2,16})"
)


class OAuthRefused(ExchangeError):
    """The token endpoint's no: an error code of RFC 6749 section 5.2 and a reason that quotes nothing."""

    issue_code = "login"

    def __init__(self, code: str, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(reason)

    @property
    def status(self) -> int:
        return 401 if self.code == "invalid_client" else 400


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client assertion whose claims hold: whose it is, and until when its `jti` may not come again."""

    client_id: str
    jti: str
    expires: datetime
    claims: Mapping[str, Any]


def issuer_of(token: str) -> str:
    """`iss` of an assertion nobody verified yet, after a look at its header: good to find the keys only."""
    if len(token) > _MAXIMUM:
        raise OAuthRefused("invalid_client", "the assertion is too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise OAuthRefused("invalid_client", "the assertion is not a signed JWT")
    header, claims = _decode(parts[0]), _decode(parts[1])
    if header.get("alg") not in ALGORITHMS:
        raise OAuthRefused("invalid_client", f"the assertion must be signed with {' or '.join(ALGORITHMS)}")
    if not _text(header.get("kid")):
        raise OAuthRefused("invalid_client", "the header of the assertion must name its key by `kid`")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise OAuthRefused("invalid_client", "`typ` of the assertion must be JWT")
    if {"jku", "x5u", "crit"} & header.keys():
        raise OAuthRefused("invalid_client", "keys are those registered: jku, x5u and crit are refused")
    if not _text(claims.get("iss")):
        raise OAuthRefused("invalid_client", "`iss` must be the client_id")
    return str(claims["iss"])


def kid_of(token: str) -> str:
    """`kid` of an assertion that `issuer_of` has looked at."""
    return str(_decode(token.split(".")[0])["kid"])


def check_claims(claims: Mapping[str, Any], client_id: str, at: datetime) -> Assertion:
    """The claims of a verified assertion as RFC 7523 and SMART want them; raises OAuthRefused."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise OAuthRefused("invalid_client", "`iss` and `sub` must both be the client_id")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise OAuthRefused("invalid_client", "`jti` must be 1 to 256 visible ASCII characters")
    expires = _instant(claims, "exp")
    if expires is None or not at < expires <= at + LIFETIME + SKEW:
        raise OAuthRefused("invalid_client", "`exp` must lie ahead, by five minutes at most")
    issued, starts = _instant(claims, "iat"), _instant(claims, "nbf")
    if issued is not None and not expires - LIFETIME - SKEW <= issued <= at + SKEW:
        raise OAuthRefused("invalid_client", "`iat` must lie in the past, five minutes before `exp` at most")
    if starts is not None and starts > at + SKEW:
        raise OAuthRefused("invalid_client", "the assertion is not valid yet (`nbf`)")
    return Assertion(client_id, jti, expires, claims)


def requested_viewer(claims: Mapping[str, Any], client: Client, partner: Partner) -> Viewer:
    """Who asks and why, as `extensions.hl7-b2b` says and registration and partner.yaml allow.

    Without a `subject_role` no person asks but the organization itself, and without any extension the client
    asks for the only purpose it is registered for. Raises OAuthRefused.
    """
    b2b = _extension(claims, client, partner)
    if str(b2b.get("organization_id")) not in organization_ids(partner):
        raise OAuthRefused("invalid_grant", "`organization_id` is not the organization of this client")
    role = b2b.get("subject_role", ORGANIZATION_ROLE)
    if role not in client.roles or role not in partner.requests.roles:
        raise OAuthRefused("invalid_grant", "`subject_role` is not one this client may ask under")
    purpose = _one_purpose(b2b.get("purpose_of_use"))
    if purpose not in client.purposes or purpose not in partner.requests.purposes:
        raise OAuthRefused("invalid_grant", "`purpose_of_use` is not one this client may ask for")
    return Viewer(partner.code, role, purpose)


def _extension(claims: Mapping[str, Any], client: Client, partner: Partner) -> Mapping[str, Any]:
    """`hl7-b2b`, or what it could only be of a client that knows nothing of it and has one purpose."""
    if "extensions" not in claims and len(client.purposes) == 1:
        return {"organization_id": partner.namespace, "purpose_of_use": client.purposes}
    extensions = claims.get("extensions")
    b2b = extensions.get("hl7-b2b") if isinstance(extensions, dict) else None
    if not isinstance(b2b, dict) or b2b.get("version") != "1":
        raise OAuthRefused(
            "invalid_grant",
            "`extensions.hl7-b2b` version 1 is required, save for a client registered for one purpose alone",
        )
    return b2b


def told_in_b2b(claims: Mapping[str, Any]) -> dict[str, str]:
    """What else the extension says, for the audit log: who the person is and which consent is meant.

    Consents are decided on by the records of the exchange alone. Raises OAuthRefused for another shape.
    """
    b2b = claims.get("extensions", {}).get("hl7-b2b", {})
    told = {name: b2b[name] for name in _NAMES if name in b2b}
    policies, references = (b2b.get(name, []) for name in ("consent_policy", "consent_reference"))
    if references and not policies:
        raise OAuthRefused("invalid_grant", "`consent_reference` goes with a `consent_policy`")
    lists = {"consent_policy": policies, "consent_reference": references}
    for name, found in lists.items():
        if not isinstance(found, list) or len(found) > 20 or not all(_is_uri(one) for one in found):
            raise OAuthRefused("invalid_grant", f"`{name}` must be an array of absolute URIs, 20 at most")
    if not all(_text(text) for text in told.values()):
        raise OAuthRefused("invalid_grant", f"{', '.join(_NAMES)} must be texts")
    return {**told, **{name: " ".join(found) for name, found in lists.items() if found}}


_NAMES = ("organization_name", "subject_id", "subject_name")


def _is_uri(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 500 and bool(_URI.fullmatch(value))


def organization_ids(partner: Partner) -> frozenset[str]:
    """The URIs a participant may be named by: its namespace, its code, its NPI."""
    npi = partner.organization.npi
    named = {partner.namespace, f"urn:mosaic:partner:{partner.code}"}
    return frozenset(named | ({_NPI + npi} if npi else set()))


def _one_purpose(value: object) -> str:
    """A token serves one purpose: a new purpose needs a new token."""
    codes = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    match = _PURPOSE.fullmatch(codes[0]) if len(codes) == 1 and isinstance(codes[0], str) else None
    if match is None:
        raise OAuthRefused(
            "invalid_grant", "`purpose_of_use` must be an array of exactly one v3-ActReason code"
        )
    return match[1]


def _decode(part: str) -> dict[str, Any]:
    try:
        data = orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise OAuthRefused("invalid_client", "the assertion is not a signed JWT")
    return data


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise OAuthRefused("invalid_client", f"`{name}` must be seconds since 1970") from None


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()

"""Signing in with an organization's own accounts: OpenID Connect, authorization code with PKCE.

https://openid.net/specs/openid-connect-core-1_0.html
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from exchange.console.desk import OpenIdProvider
from exchange.crypto import SealBroken, hide, reveal
from exchange.model.errors import PartnerUnavailable

_SECONDS = 15
_ALGORITHMS = ["RS256", "RS384", "ES256", "ES384", "PS256", "EdDSA"]
_PURPOSE = "console openid"


class NotSignedIn(Exception):
    """The provider's answer does not prove who this is."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what its cookie keeps meanwhile, sealed."""

    address: str
    cookie: str


def begin(provider: OpenIdProvider, callback: str, key: bytes) -> Begun:
    """The provider's page to sign in; raises PartnerUnavailable when the provider cannot be reached."""
    kept = {"state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24)}
    kept["verifier"] = secrets.token_urlsafe(48)
    with _session(provider, callback) as session:
        address, _state = session.create_authorization_url(
            _metadata(session, provider)["authorization_endpoint"],
            state=kept["state"],
            nonce=kept["nonce"],
            code_verifier=kept["verifier"],
        )
    return Begun(address, hide(json.dumps(kept), key, _PURPOSE))


def subject_of(
    provider: OpenIdProvider, callback: str, key: bytes, cookie: str, query: Mapping[str, str], at: datetime
) -> str:
    """Issuer and subject of who came back; raises NotSignedIn for an answer that proves nothing."""
    try:
        kept = json.loads(reveal(cookie, key, _PURPOSE))
    except (SealBroken, ValueError):
        raise NotSignedIn from None
    if "code" not in query or not hmac.compare_digest(query.get("state", ""), kept["state"]):
        raise NotSignedIn
    with _session(provider, callback) as session:
        metadata = _metadata(session, provider)
        try:
            token = session.fetch_token(
                metadata["token_endpoint"], code=query["code"], code_verifier=kept["verifier"]
            )
            keys = KeySet.import_key_set(_get(session, metadata["jwks_uri"]))  # type: ignore[arg-type]
            found = jwt.decode(token["id_token"], keys, algorithms=_ALGORITHMS)
            claims = CodeIDToken(found.claims, found.header, _expected(provider), {"nonce": kept["nonce"]})
            claims.validate(now=int(at.timestamp()), leeway=60)
        except PartnerUnavailable:
            raise
        except Exception as error:
            raise NotSignedIn from error
    return f"{provider.issuer}|{claims['sub']}"


def _expected(provider: OpenIdProvider) -> dict[str, Any]:
    return {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
        "nonce": {"essential": True},
    }


def _session(provider: OpenIdProvider, callback: str) -> OAuth2Session:
    return OAuth2Session(
        provider.client_id,
        provider.client_secret,
        scope="openid",
        redirect_uri=callback,
        code_challenge_method="S256",
        default_timeout=_SECONDS,
    )


def _metadata(session: OAuth2Session, provider: OpenIdProvider) -> dict[str, Any]:
    found = _get(session, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise PartnerUnavailable("the OpenID provider names another issuer than it is known by")
    return found


def _get(session: OAuth2Session, address: str) -> dict[str, Any]:
    try:
        answer = session.get(address, withhold_token=True)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (OSError, ValueError):
        raise PartnerUnavailable("the OpenID provider does not answer") from None
    return found

"""Access tokens by SMART Backend Services: a signed assertion for a short-lived bearer token.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from exchange.connectors.options import TokenOptions
from exchange.crypto import public_jwk, sign_jwt
from exchange.model.errors import PartnerRefused

_ASSERTION_SECONDS = 240
_SPARE_SECONDS = 10
Post = Callable[[str, Mapping[str, str]], bytes]


class TokenSource:
    """Keeps one access token until shortly before it ends."""

    def __init__(self, partner: str, options: TokenOptions) -> None:
        self._partner, self._options = partner, options
        self._token, self._until = "", 0.0

    def token(self, post: Post) -> str:
        """The token to use now, fetched through `post(url, form)` when none is at hand."""
        if not self._token or time.monotonic() >= self._until:
            self._renew(post)
        return self._token

    def forget(self) -> None:
        """The server no longer takes the token: the next call fetches another."""
        self._token = ""

    def _renew(self, post: Post) -> None:
        body = post(self._options.token_url, self._form())
        try:
            answer = json.loads(body)
            self._token = str(answer["access_token"])
            lifetime = float(answer.get("expires_in", 300))
        except (ValueError, TypeError, KeyError):
            raise PartnerRefused(f"{self._partner}: the token endpoint answered without a token") from None
        self._until = time.monotonic() + max(1.0, lifetime - _SPARE_SECONDS)

    def _form(self) -> dict[str, str]:
        options, pem = self._options, self._options.private_pem()
        kid = options.kid or str(public_jwk(pem, options.algorithm)["kid"])
        claims = {
            "iss": options.client_id,
            "sub": options.client_id,
            "aud": options.token_url,
            "exp": int(time.time()) + _ASSERTION_SECONDS,
            "jti": str(uuid4()),
            **({"extensions": {"hl7-b2b": options.b2b}} if options.b2b else {}),
        }
        return {
            "grant_type": "client_credentials",
            "scope": options.scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": sign_jwt(claims, pem, kid, options.algorithm),
        }

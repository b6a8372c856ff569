"""Detached JSON Web Signatures over bytes as they are (RFC 7515 appendix F, RFC 7797 `b64: false`).

https://www.rfc-editor.org/rfc/rfc7797
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from exchange.crypto.tokens import TokenRefused, public_jwk

_ALGORITHM = "EdDSA"
_JWS = PyJWS(algorithms=[_ALGORITHM])


def sign_detached(payload: bytes, private_pem: str) -> str:
    """`header..signature` over exactly these bytes, by an Ed25519 key; `kid` is its thumbprint."""
    kid = str(public_jwk(private_pem, _ALGORITHM)["kid"])
    headers = {"kid": kid, "typ": "JOSE"}
    return _JWS.encode(payload, private_pem, _ALGORITHM, headers, is_payload_detached=True)


def verify_detached(payload: bytes, signature: str, jwks: Mapping[str, Any]) -> str:
    """The `kid` of the key that signed exactly these bytes; raises TokenRefused."""
    try:
        kid = jwt.get_unverified_header(signature).get("kid")
    except jwt.PyJWTError:
        raise TokenRefused("signature refused: it is not a JWS in compact form") from None
    for jwk in jwks.get("keys", ()):
        if jwk.get("kid") == kid and jwk.get("kty") == "OKP":
            key = jwt.PyJWK(dict(jwk), _ALGORITHM).key
            try:
                _JWS.decode_complete(signature, key, [_ALGORITHM], detached_payload=payload)
            except jwt.PyJWTError:
                raise TokenRefused("signature refused: these are not the bytes that were signed") from None
            return str(kid)
    raise TokenRefused("signature refused: none of the given keys has its `kid`")

"""JSON Web Tokens and keys as SMART Backend Services uses them, asymmetric algorithms only.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from exchange.model.errors import ContentError, ExchangeError

ALGORITHMS = ("RS384", "ES384", "EdDSA")
_KEY_TYPES = {"RS384": "RSA", "ES384": "EC", "EdDSA": "OKP"}
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class TokenRefused(ExchangeError):
    """The token is not valid here and now; the message says why and quotes nothing of it."""

    http_status = 401
    issue_code = "login"


def new_jwk_pair(algorithm: str) -> tuple[str, dict[str, Any]]:
    """A fresh private key (PEM) and the public JWK to register, `kid` being its thumbprint."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "RS384":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif algorithm == "ES384":
        key = ec.generate_private_key(ec.SECP384R1())
    elif algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        raise ContentError("no such signature algorithm", field=algorithm, valid=ALGORITHMS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, public_jwk(pem, algorithm)


@lru_cache(maxsize=16)
def _public_jwk(private_pem: str, algorithm: str) -> str:
    try:
        public = load_pem_private_key(private_pem.encode(), password=None).public_key()
        jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    except (ValueError, TypeError, AttributeError, NotImplementedError, jwt.PyJWTError):
        raise ContentError(f"the private key is not an unencrypted PEM key for {algorithm}") from None
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS.get(jwk["kty"], ()) if name in jwk}
    if jwk["kty"] != _KEY_TYPES.get(algorithm):
        raise ContentError(f"the private key is not a key for {algorithm}")
    thumbprint = sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return json.dumps({**members, "use": "sig", "alg": algorithm, "kid": kid})


def public_jwk(private_pem: str, algorithm: str) -> dict[str, Any]:
    """The public half with its RFC 7638 thumbprint as `kid` (https://www.rfc-editor.org/rfc/rfc7638)."""
    jwk: dict[str, Any] = json.loads(_public_jwk(private_pem, algorithm))
    return jwk


def sign_jwt(claims: Mapping[str, Any], private_pem: str, kid: str, algorithm: str) -> str:
    """A compact JWS with header `kid`, `typ: JWT` and `alg`."""
    if algorithm not in ALGORITHMS:
        raise ContentError("no such signature algorithm", field=algorithm, valid=ALGORITHMS)
    public_jwk(private_pem, algorithm)
    return jwt.encode(dict(claims), private_pem, algorithm=algorithm, headers={"kid": kid})


def verify_jwt(
    token: str,
    jwks: Mapping[str, Any],
    audience: str | Collection[str],
    algorithms: Collection[str] = ALGORITHMS,
) -> dict[str, Any]:
    """The claims, once signature, `aud` and `exp` hold; raises TokenRefused.

    The key is the one of `jwks` with the header's `kid`, and only for the algorithm of its own type.
    """
    try:
        header = jwt.get_unverified_header(token)
        key = _verification_key(header, jwks, algorithms)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[header["alg"]],
            audience=audience if isinstance(audience, str) else list(audience),
            leeway=5,
            options={"require": ["exp", "aud"], "strict_aud": False},
        )
    except jwt.PyJWTError as problem:
        raise TokenRefused(f"token refused: {_REASONS.get(type(problem), 'it is not a valid JWT')}") from None
    return claims


def can_verify(jwk: Mapping[str, Any], algorithm: str) -> bool:
    """Is it a public key of that algorithm: a point of the curve, a number that is one?"""
    try:
        jwt.PyJWK(dict(jwk), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
        return False
    return True


def _verification_key(header: Mapping[str, Any], jwks: Mapping[str, Any], algorithms: Collection[str]) -> Any:
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS or algorithm not in algorithms:
        raise TokenRefused(f"token refused: it must be signed with one of {', '.join(sorted(algorithms))}")
    for jwk in jwks.get("keys", ()):
        fits = jwk.get("kty") == _KEY_TYPES[algorithm] and jwk.get("alg", algorithm) == algorithm
        if fits and jwk.get("kid") == header.get("kid") and jwk.get("use", "sig") == "sig":
            return jwt.PyJWK(jwk, algorithm).key
    raise TokenRefused("token refused: no registered key has its `kid`")


_REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuedAtError: "it was issued in the future",
    jwt.InvalidAudienceError: "it is meant for another audience",
    jwt.InvalidSignatureError: "its signature does not match the registered key",
    jwt.MissingRequiredClaimError: "a required claim is missing",
}

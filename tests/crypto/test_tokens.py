"""Tokens are taken only from the registered key, for us, in time and with an algorithm we know."""

import time

import jwt
import pytest

from exchange.crypto import TokenRefused, new_jwk_pair, public_jwk, sign_jwt, verify_jwt
from exchange.model.errors import ContentError

HERE = "https://exchange.example/token"
PAIRS = {algorithm: new_jwk_pair(algorithm) for algorithm in ("RS384", "ES384", "EdDSA")}
PEM, JWK = PAIRS["ES384"]
JWKS = {"keys": [jwk for _, jwk in PAIRS.values()]}


def claims(**changes: object) -> dict[str, object]:
    return {"iss": "clinic", "sub": "clinic", "aud": HERE, "exp": int(time.time()) + 60, **changes}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_token_of_a_registered_key_gives_its_claims(algorithm: str) -> None:
    pem, jwk = PAIRS[algorithm]
    token = sign_jwt(claims(), pem, jwk["kid"], algorithm)
    assert verify_jwt(token, JWKS, HERE)["iss"] == "clinic"


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"exp": 1}, "expired"),
        ({"aud": "https://elsewhere.example/"}, "another audience"),
        ({"nbf": int(time.time()) + 86_400}, "not valid yet"),
        ({"exp": None}, "required claim|valid JWT"),
        ({"aud": None}, "required claim|valid JWT|audience"),
    ],
)
def test_a_token_out_of_time_or_place_is_refused(changes: dict[str, object], why: str) -> None:
    kept = {name: value for name, value in claims(**changes).items() if value is not None}
    with pytest.raises(TokenRefused, match=why):
        verify_jwt(sign_jwt(kept, PEM, JWK["kid"], "ES384"), JWKS, HERE)


def test_a_strangers_key_with_a_registered_kid_is_refused() -> None:
    stranger, _ = new_jwk_pair("ES384")
    with pytest.raises(TokenRefused, match="signature"):
        verify_jwt(sign_jwt(claims(), stranger, JWK["kid"], "ES384"), JWKS, HERE)


def test_an_unknown_kid_is_refused() -> None:
    with pytest.raises(TokenRefused, match="kid"):
        verify_jwt(sign_jwt(claims(), PEM, "unknown", "ES384"), JWKS, HERE)


def test_unsigned_and_symmetric_tokens_are_refused() -> None:
    unsigned = jwt.encode(claims(), "", algorithm="none", headers={"kid": JWK["kid"]})
    # The classic confusion: the public key taken as a shared secret.
    confused = jwt.encode(claims(), JWK["x"] * 2, algorithm="HS384", headers={"kid": JWK["kid"]})
    for token in (unsigned, confused, "", "a.b.c"):
        with pytest.raises(TokenRefused):
            verify_jwt(token, JWKS, HERE)


def test_an_algorithm_the_caller_does_not_take_is_refused() -> None:
    token = sign_jwt(claims(), PEM, JWK["kid"], "ES384")
    with pytest.raises(TokenRefused, match="RS384"):
        verify_jwt(token, JWKS, HERE, algorithms=("RS384",))


def test_the_published_key_holds_nothing_private() -> None:
    for algorithm, (pem, jwk) in PAIRS.items():
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(jwk)
        assert public_jwk(pem, algorithm) == jwk


def test_a_key_for_another_algorithm_is_refused_when_signing() -> None:
    with pytest.raises(ContentError):
        sign_jwt(claims(), PEM, "k", "RS384")
    with pytest.raises(ContentError, match="ES384"):
        sign_jwt(claims(), PEM, "k", "HS256")

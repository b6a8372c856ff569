"""Sealing, signing and tokens: the only importer of `cryptography` and `jwt`."""

from exchange.crypto.certificates import certificate_ends
from exchange.crypto.jws import sign_detached, verify_detached
from exchange.crypto.seal import (
    Keyring,
    SealBroken,
    decrypt,
    encrypt,
    hide,
    keyed_hash,
    new_data_key,
    reveal,
    rewrap,
    seal,
    sealed_under,
    unseal,
)
from exchange.crypto.sign import new_signing_key, public_key, sign, verify
from exchange.crypto.stream import decrypt_stream, encrypt_stream
from exchange.crypto.tokens import TokenRefused, can_verify, new_jwk_pair, public_jwk, sign_jwt, verify_jwt

__all__ = [
    "Keyring",
    "SealBroken",
    "TokenRefused",
    "can_verify",
    "certificate_ends",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_stream",
    "hide",
    "keyed_hash",
    "new_data_key",
    "new_jwk_pair",
    "new_signing_key",
    "public_jwk",
    "public_key",
    "reveal",
    "rewrap",
    "seal",
    "sealed_under",
    "sign",
    "sign_detached",
    "sign_jwt",
    "unseal",
    "verify",
    "verify_detached",
    "verify_jwt",
]

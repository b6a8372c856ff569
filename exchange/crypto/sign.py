"""Ed25519 signatures over bytes (https://www.rfc-editor.org/rfc/rfc8032)."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from exchange.model.errors import ContentError


def new_signing_key() -> str:
    """A fresh Ed25519 private key as unencrypted PKCS #8 PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key(private_pem: str) -> str:
    """The public half as PEM."""
    key = _private(private_pem).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(data: bytes, private_pem: str) -> bytes:
    """64 bytes; the same data and key always give the same ones."""
    return _private(private_pem).sign(data)


def verify(data: bytes, signature: bytes, public_pem: str) -> bool:
    """Whether the holder of the key signed exactly these bytes."""
    try:
        _public(public_pem).verify(signature, data)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def _private(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ContentError("the signing key is not an unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ContentError("the signing key must be an Ed25519 key")
    return key


@lru_cache(maxsize=16)
def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise ContentError("the verification key is not a PEM public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ContentError("the verification key must be an Ed25519 key")
    return key

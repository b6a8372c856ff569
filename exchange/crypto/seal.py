"""AES-256-GCM envelopes: what is sealed has a data key of its own, wrapped by a named key of the ring.

A sealed thing is ``MXS1 | length of key id | key id | wrapped data key | encrypted content``, where both
encrypted parts are ``nonce (12) | ciphertext | tag (16)``. Rotation therefore touches the head alone.
https://csrc.nist.gov/pubs/sp/800/38/d/final
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from exchange.model.errors import ContentError, ExchangeError

_MAGIC = b"MXS1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + 16


class SealBroken(ExchangeError):
    """Sealed data was altered, is incomplete, or belongs to another key or context."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Sealing keys by id: `active` seals, the others still open; `hashing` never changes by rotation."""

    active: str
    hashing: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def load(cls, text: str) -> Keyring:
        """From ``{"active": "k1", "hashing": "k1", "keys": {"k1": "<base64 of 32 bytes>"}}``."""
        try:
            parsed = json.loads(text)
            keys = {name: base64.b64decode(key, validate=True) for name, key in parsed["keys"].items()}
            active = parsed["active"]
            hashing = parsed.get("hashing", active)
        except (ValueError, TypeError, KeyError, AttributeError, binascii.Error):
            raise ContentError("not a keyring: JSON with `active` and base64 `keys` is expected") from None
        for name in (active, hashing):
            if name not in keys:
                raise ContentError("names a key the ring does not hold", field=str(name), valid=keys)
        for name, key in keys.items():
            if len(key) != _KEY_BYTES or not 0 < len(name.encode()) < 256:
                raise ContentError("a key has 32 bytes and a name of 1 to 255 bytes", field=name)
        return cls(active, hashing, keys)

    @classmethod
    def generate(cls) -> Keyring:
        """A ring with the one fresh key `k1`."""
        return cls("k1", "k1", {"k1": new_data_key()})

    def dump(self) -> str:
        """The text that `load` reads: all keys in clear, for a file only the service may read."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        return json.dumps({"active": self.active, "hashing": self.hashing, "keys": keys}, indent=2)

    def rotate(self) -> Keyring:
        """A ring whose active key is new; what older keys sealed still opens, hashes stay the same."""
        number = len(self.keys) + 1
        while f"k{number}" in self.keys:
            number += 1
        return Keyring(f"k{number}", self.hashing, {**self.keys, f"k{number}": new_data_key()})


def new_data_key() -> bytes:
    """32 random bytes."""
    return os.urandom(_KEY_BYTES)


def encrypt(plain: bytes, key: bytes, context: bytes) -> bytes:
    """``nonce | ciphertext | tag``, readable only with the same `key` and `context`."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def decrypt(encrypted: bytes, key: bytes, context: bytes) -> bytes:
    """Inverse of `encrypt`; raises SealBroken."""
    if len(encrypted) < _NONCE_BYTES + 16:
        raise SealBroken("sealed data is incomplete")
    try:
        return AESGCM(key).decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], context)
    except InvalidTag:
        raise SealBroken("sealed data was altered or belongs to another key or place") from None


def seal(plain: bytes, keyring: Keyring, context: bytes) -> bytes:
    """An envelope only `unseal` with the same `context` opens; `context` says where the thing belongs."""
    data_key = new_data_key()
    return _head(data_key, keyring) + encrypt(plain, data_key, _MAGIC + context)


def unseal(sealed: bytes, keyring: Keyring, context: bytes) -> bytes:
    """Inverse of `seal`; raises SealBroken."""
    data_key, content = _open_head(sealed, keyring)
    return decrypt(content, data_key, _MAGIC + context)


def rewrap(sealed: bytes, keyring: Keyring) -> bytes:
    """The same envelope under the active key: only its head is written anew."""
    data_key, content = _open_head(sealed, keyring)
    return _head(data_key, keyring) + content


def sealed_under(sealed: bytes) -> str:
    """Id of the ring's key that opens this envelope."""
    name, _ = _split_head(sealed)
    return name


def _head(data_key: bytes, keyring: Keyring) -> bytes:
    name = keyring.active.encode()
    start = _MAGIC + bytes([len(name)]) + name
    return start + encrypt(data_key, keyring.keys[keyring.active], start)


def _split_head(sealed: bytes) -> tuple[str, int]:
    if sealed[:4] != _MAGIC or len(sealed) < 5 + sealed[4] + _WRAPPED_BYTES:
        raise SealBroken("not a sealed envelope, or its head is incomplete")
    end = 5 + sealed[4]
    return sealed[5:end].decode(errors="replace"), end


def _open_head(sealed: bytes, keyring: Keyring) -> tuple[bytes, bytes]:
    name, end = _split_head(sealed)
    key = keyring.keys.get(name)
    if key is None:
        raise SealBroken(f"sealed under key `{name}`, which the keyring does not hold")
    content = end + _WRAPPED_BYTES
    return decrypt(sealed[end:content], key, sealed[:end]), sealed[content:]


def keyed_hash(text: str, key: Keyring | bytes, purpose: str) -> str:
    """HMAC-SHA256 as hex: equal texts meet within one `purpose`, and nobody without the key can guess."""
    root = key if isinstance(key, bytes) else key.keys[key.hashing]
    return hmac.digest(_purpose_key(root, purpose), text.encode(), "sha256").hex()


def hide(text: str, key: bytes, purpose: str) -> str:
    """A text that may stand in a URL and that only `reveal` reads; equal texts give equal ones (RFC 5297)."""
    cipher = AESSIV(_purpose_key(key, purpose) + _purpose_key(key, f"{purpose}, second half"))
    return base64.urlsafe_b64encode(cipher.encrypt(text.encode(), None)).decode().rstrip("=")


def reveal(hidden: str, key: bytes, purpose: str) -> str:
    """What was hidden; raises SealBroken for anything that was not."""
    cipher = AESSIV(_purpose_key(key, purpose) + _purpose_key(key, f"{purpose}, second half"))
    try:
        padded = hidden + "=" * (-len(hidden) % 4)
        return cipher.decrypt(base64.urlsafe_b64decode(padded.encode("ascii")), None).decode()
    except (InvalidTag, ValueError):
        raise SealBroken("this was not hidden with this key") from None


@lru_cache(maxsize=64)
def _purpose_key(root: bytes, purpose: str) -> bytes:
    return hmac.new(root, b"keyed hash\0" + purpose.encode(), sha256).digest()

"""A signature belongs to exactly these bytes and this key."""

import pytest

from exchange.crypto import new_jwk_pair, new_signing_key, public_key, sign, verify
from exchange.model.errors import ContentError


def test_a_signature_holds_for_its_bytes_and_key_only() -> None:
    key, other = new_signing_key(), new_signing_key()
    signature = sign(b"head of the chain", key)
    assert verify(b"head of the chain", signature, public_key(key))
    assert not verify(b"head of the chair", signature, public_key(key))
    assert not verify(b"head of the chain", signature, public_key(other))
    assert not verify(b"head of the chain", signature[:-1], public_key(key))


@pytest.mark.parametrize("pem", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_said_without_being_quoted(pem: str) -> None:
    with pytest.raises(ContentError) as caught:
        sign(b"", pem)
    assert "AAAA" not in str(caught.value)


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ContentError, match="Ed25519"):
        sign(b"", new_jwk_pair("ES384")[0])

"""What is sealed opens for its own key and place alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.crypto import Keyring, SealBroken, keyed_hash, rewrap, seal, sealed_under, unseal
from exchange.model.errors import ContentError

RING = Keyring.generate()


@given(plain=st.binary(max_size=2000), context=st.binary(max_size=50))
def test_what_is_sealed_opens_to_the_same_bytes(plain: bytes, context: bytes) -> None:
    assert unseal(seal(plain, RING, context), RING, context) == plain


@settings(max_examples=50)
@given(data=st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"a message", RING, b"place"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), RING, b"place")


@pytest.mark.parametrize("kept", range(0, 119, 7))
def test_a_cut_off_envelope_is_noticed(kept: int) -> None:
    sealed = seal(b"a message of some length", RING, b"place")
    with pytest.raises(SealBroken):
        unseal(sealed[:kept], RING, b"place")


def test_another_place_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(b"a message", RING, b"partner a"), RING, b"partner b")


def test_another_ring_with_the_same_key_name_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(b"a message", RING, b"place"), Keyring.generate(), b"place")


def test_the_same_text_never_gives_the_same_envelope() -> None:
    assert seal(b"a message", RING, b"place") != seal(b"a message", RING, b"place")


def test_nothing_of_the_content_or_the_keys_shows() -> None:
    sealed = seal(b"Jane Roe", RING, b"place")
    assert b"Jane" not in sealed
    assert RING.keys["k1"] not in sealed
    assert "keys" not in repr(RING)


def test_after_rotation_old_envelopes_still_open_and_new_ones_use_the_new_key() -> None:
    old = seal(b"a message", RING, b"place")
    rotated = RING.rotate()
    assert unseal(old, rotated, b"place") == b"a message"
    assert sealed_under(seal(b"", rotated, b"")) == "k2"


def test_rewrapping_frees_the_old_key_and_leaves_the_content_alone() -> None:
    old, rotated = seal(b"a message", RING, b"place"), RING.rotate()
    new = rewrap(old, rotated)
    only_new = Keyring("k2", "k2", {"k2": rotated.keys["k2"]})
    assert unseal(new, only_new, b"place") == b"a message"
    assert new[-25:] == old[-25:]


def test_a_ring_survives_its_file() -> None:
    rotated = RING.rotate()
    assert Keyring.load(rotated.dump()) == rotated


def test_a_ring_without_a_hashing_key_hashes_with_its_active_one() -> None:
    text = json.dumps({"active": "k1", "keys": json.loads(RING.dump())["keys"]})
    assert Keyring.load(text) == RING


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not a keyring"),
        ("[]", "not a keyring"),
        ('{"active": "k1", "keys": {"k1": "!"}}', "not a keyring"),
        ('{"active": "k9", "keys": {"k1": "' + "A" * 43 + '="}}', "k9"),
        ('{"active": "k1", "keys": {"k1": "c2hvcnQ="}}', "32 bytes"),
    ],
)
def test_a_wrong_keyring_file_says_what_is_wrong_and_shows_no_key(text: str, said: str) -> None:
    with pytest.raises(ContentError, match=said) as caught:
        Keyring.load(text)
    assert "c2hvcnQ" not in str(caught.value)


def test_keyed_hashes_meet_within_a_purpose_and_stay_after_rotation() -> None:
    before = keyed_hash("999-12-3456", RING, "ssn")
    assert keyed_hash("999-12-3456", RING.rotate(), "ssn") == before
    assert keyed_hash("999-12-3456", RING, "medicaid") != before
    assert keyed_hash("999-12-3456", Keyring.generate(), "ssn") != before
    assert len(before) == 64

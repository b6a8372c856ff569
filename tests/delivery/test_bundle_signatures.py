"""A bundle's signature as others check it: another JOSE library, and the command."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from exchange.cli.main import app
from exchange.crypto import TokenRefused, new_signing_key, public_jwk, sign_detached, verify_detached

BODY = '{"resourceType":"Bundle","total":98.0,"name":"Їжак"}'.encode()
KEY = new_signing_key()


def _registry() -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=["EdDSA", "Ed25519"])


def test_another_library_finds_the_signature_good_and_a_changed_byte_bad():
    key = OKPKey.import_key(public_jwk(KEY, "EdDSA"))
    signature = sign_detached(BODY, KEY)
    checked = jws.deserialize_compact(signature, key, payload=BODY, registry=_registry())
    assert checked.payload == BODY
    assert checked.headers()["b64"] is False
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(signature, key, payload=BODY + b" ", registry=_registry())


def test_what_another_library_signed_is_found_good_here():
    private = OKPKey.import_key(KEY)
    jwk = public_jwk(KEY, "EdDSA")
    header = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": jwk["kid"]}
    signature = jws.serialize_compact(header, BODY, private, registry=_registry())
    detached = jws.detach_content(signature) if not _detached(signature) else signature
    assert verify_detached(BODY, detached, {"keys": [jwk]}) == jwk["kid"]


def _detached(signature: str) -> bool:
    return signature.count(".") == 2 and signature.split(".")[1] == ""


def _another_letter(signature: str) -> str:
    """In the midst of it: the last bits of one in a thousand are zero anyway."""
    return f"{signature[:-40]}{'B' if signature[-40] == 'A' else 'A'}{signature[-39:]}"


@pytest.mark.parametrize("spoil", [_another_letter, lambda s: "x", lambda s: "." + s, lambda s: ""])
def test_spoilt_signatures_are_refused(spoil):
    with pytest.raises(TokenRefused):
        verify_detached(BODY, spoil(sign_detached(BODY, KEY)), {"keys": [public_jwk(KEY, "EdDSA")]})


def test_an_unsigned_or_symmetric_signature_is_refused():
    from jwt.api_jws import PyJWS

    jwk = public_jwk(KEY, "EdDSA")
    forged = PyJWS().encode(BODY, jwk["x"] * 2, "HS256", {"kid": jwk["kid"]}, is_payload_detached=True)
    with pytest.raises(TokenRefused):
        verify_detached(BODY, forged, {"keys": [jwk]})


def test_the_command_tells_who_signed_and_exits_10_for_other_bytes(tmp_path: Path, monkeypatch):
    (tmp_path / "bundle.json").write_bytes(BODY)
    (tmp_path / "bundle.json.jws").write_text(sign_detached(BODY, KEY))
    (tmp_path / "keys.json").write_bytes(orjson.dumps({"keys": [public_jwk(KEY, "EdDSA")]}))
    command = ["bundle", "verify", str(tmp_path / "bundle.json"), "--keys", str(tmp_path / "keys.json")]
    good = CliRunner().invoke(app, command)
    assert good.exit_code == 0
    assert public_jwk(KEY, "EdDSA")["kid"] in good.output
    (tmp_path / "bundle.json").write_bytes(BODY.replace(b"98.0", b"98"))
    assert CliRunner().invoke(app, command).exit_code == 10

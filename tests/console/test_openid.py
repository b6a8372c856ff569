"""Signing in with an organization's account, against an OpenID provider over HTTP."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

from exchange.console import OpenIdProvider
from exchange.console.accounts import add_account
from tests.console.conftest import serving

CLIENT, SECRET = "mosaic", "of the client"


class Provider(BaseHTTPRequestHandler):
    """Says who somebody is; `spoil` changes what it says."""

    key = RSAKey.generate_key(2048, {"kid": "one"})
    other = RSAKey.generate_key(2048, {"kid": "one"})
    codes: ClassVar[dict[str, dict[str, str]]] = {}
    spoil: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.endswith("openid-configuration"):
            base = self.server.issuer
            self._json(
                {
                    "issuer": self.spoil.get("issuer", base),
                    "authorization_endpoint": f"{base}/authorize",
                    "token_endpoint": f"{base}/token",
                    "jwks_uri": f"{base}/keys",
                }
            )
        elif url.path == "/keys":
            self._json({"keys": [self.key.as_dict(private=False)]})
        else:
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            self.codes["a-code"] = asked
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?code=a-code&state={asked['state']}")
            self.end_headers()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = self.codes.pop(form["code"][0], None)
        verifier = form["code_verifier"][0].encode()
        challenge = urlsafe_b64encode(sha256(verifier).digest()).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge:
            self.send_response(400)
            self.end_headers()
            return
        now = int(time.time())
        claims = {
            "iss": self.server.issuer, "sub": "u-7", "aud": CLIENT, "exp": now + 300, "iat": now,
            "nonce": asked["nonce"], **{k: v for k, v in self.spoil.items() if k not in ("key", "issuer")},
        }  # fmt: skip
        key = self.other if self.spoil.get("key") else self.key
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        self._json({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _json(self, body: object) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.issuer
    server.shutdown()


@pytest.fixture(scope="module")
def console(opened, issuer):
    with opened.work.connect() as connection:
        at = opened.work.now()
        add_account(connection, "vega", "R. Vega", ["match-steward"], None, at, f"{issuer}|u-7")
        connection.commit()
    with serving(opened, provider=OpenIdProvider(issuer, CLIENT, SECRET)) as found:
        yield found


@pytest.fixture(autouse=True)
def honest() -> Iterator[None]:
    Provider.spoil = {}
    yield
    Provider.spoil = {}


def test_who_is_known_is_signed_in(console):
    session = requests.Session()
    answer = session.get(f"{console.url}/openid", timeout=30)
    assert answer.status_code == 200
    assert "R. Vega" in answer.text
    assert session.get(f"{console.url}/matching", timeout=30).status_code == 200


def test_who_is_not_invited_is_told_what_to_give(console, issuer):
    Provider.spoil = {"sub": "u-8"}
    answer = requests.get(f"{console.url}/openid", timeout=30)
    assert answer.status_code == 403
    assert f"{issuer}|u-8" in answer.text


@pytest.mark.parametrize(
    "spoil",
    [
        {"key": True},
        {"aud": "somebody"},
        {"nonce": "old"},
        {"exp": 1},
        {"iss": "https://evil.example"},
        {"sub": None},
    ],
    ids=["key", "audience", "nonce", "expired", "issuer", "nobody"],
)
def test_an_answer_that_proves_nothing_is_refused(console, spoil):
    Provider.spoil = spoil
    session = requests.Session()
    assert session.get(f"{console.url}/openid", timeout=30).status_code == 403
    assert session.get(f"{console.url}/matching", timeout=30, allow_redirects=False).status_code == 303


def test_a_provider_that_names_another_issuer_is_not_used(console):
    Provider.spoil = {"issuer": "https://evil.example"}
    assert requests.get(f"{console.url}/openid", timeout=30).status_code == 503


def test_a_code_that_somebody_else_began_is_refused(console):
    mine = requests.Session()
    first = mine.get(f"{console.url}/openid", timeout=30, allow_redirects=False)
    state = parse_qs(urlsplit(first.headers["location"]).query)["state"][0]
    callback = f"{console.url}/openid/callback?code=a-code&state="
    assert requests.get(callback + state, timeout=30).status_code == 403
    assert mine.get(callback + "other", timeout=30).status_code == 403
    assert mine.get(f"{console.url}/openid/callback?error=access_denied", timeout=30).status_code == 403


def test_without_a_provider_there_is_no_such_page(served):
    assert requests.get(f"{served.url}/openid", timeout=30).status_code == 404

"""A partner's HTTP server on loopback, with real token checks and faults to order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import uuid4

from exchange.crypto import TokenRefused, new_jwk_pair, verify_jwt

PEM, JWK = new_jwk_pair("ES384")
CLIENT = "mosaic"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), named)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class HttpPartner:
    """Subclasses answer `reply`; `/token` is here. The server's clock is the test's, far from ours."""

    def __init__(self) -> None:
        self.now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
        self.waits: list[float] = [0.0]
        self.asked: list[Asked] = []
        self.tokens: set[str] = set()
        self.jwks = {"keys": [JWK]}
        self._faults: list[Callable[[Reply], Reply | None]] = []
        self._last = self._break_at = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                outer._answer(self)

            do_POST = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def reply(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def options(self, **more: Any) -> dict[str, Any]:
        token = {"token_url": f"{self.base}/token", "client_id": CLIENT, "key": PEM, "algorithm": "ES384"}
        quick = {"attempts": 3, "longest_wait_seconds": 1.5, "timeout_seconds": 5}
        return {"url": f"{self.base}/fhir", "token": token, **quick, **more}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse(self) -> None:
        self.jwks = {"keys": [new_jwk_pair("ES384")[1]]}

    def break_next(self, times: int) -> None:
        # Once in the middle; again and again so early that not one record gets through.
        self._break_at = 0.5 if times == 1 else 0.1
        self._faults += [lambda reply: None] * times

    def cut_next(self, times: int) -> None:
        self._faults += [lambda reply: Reply(reply.status, reply.body[: len(reply.body) * 2 // 3])] * times

    def be_busy(self, status: int, retry_after: str, times: int) -> None:
        headers = {"Retry-After": retry_after} if retry_after else {"Location": f"{self.base}/elsewhere"}
        self._faults += [lambda reply: Reply(status, b"Jane Roe", headers)] * times

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        form = handler.rfile.read(length).decode()
        parts = urlsplit(handler.path)
        asked = Asked(handler.command, parts.path, dict(parse_qsl(parts.query)), dict(handler.headers))
        now, self._last = time.monotonic(), self._last or time.monotonic()
        self.waits.append(now - self._last)
        self._last = now
        if parts.path == "/token":
            self._send(handler, self._token(form))
            return
        self.asked.append(asked)
        if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            self._send(handler, Reply(401, b"Jane Roe"))
            return
        reply = self.reply(asked)
        if self._faults and reply.status == 200 and len(reply.body) > 30 and asked.method == "GET":
            faulty = self._faults.pop(0)(reply)
            if faulty is None:
                self._send(handler, reply, int(len(reply.body) * self._break_at))
                return
            reply = faulty
        self._send(handler, reply)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, stop_at: int | None = None) -> None:
        handler.send_response_only(reply.status)
        handler.send_header("Date", format_datetime(self.now, usegmt=True))
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body[:stop_at])
        handler.wfile.flush()
        handler.close_connection = stop_at is not None

    def _token(self, form: str) -> Reply:
        sent = {name: values[0] for name, values in parse_qs(form).items()}
        try:
            claims = verify_jwt(sent["client_assertion"], self.jwks, f"{self.base}/token")
        except TokenRefused:
            return Reply.json({"error": "invalid_client"}, 400)
        assert claims["iss"] == claims["sub"] == CLIENT
        assert claims["exp"] - time.time() <= 300
        assert sent["grant_type"] == "client_credentials"
        token = uuid4().hex
        self.tokens.add(token)
        return Reply.json({"access_token": token, "token_type": "bearer", "expires_in": 300})

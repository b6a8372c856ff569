"""A recipient's HTTP server on loopback that answers as ordered: well, late, never, or with lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def bundle(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"].strip('"')

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.bundle["entry"] if "resource" in entry]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources if resource["resourceType"] == kind]


Reply = tuple[int, bytes, dict[str, str]]
Answer = Callable[[Got], Reply]


def taken(_: Got) -> Reply:
    return 200, b"", {}


def transaction_response(got: Got) -> Reply:
    """What a FHIR server answers that took everything."""
    entries = [
        {"response": {"status": "201 Created", "location": f"{e['request']['url']}/_history/1"}}
        for e in got.bundle["entry"]
    ]
    body = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    return 200, json.dumps(body).encode(), {"Content-Type": "application/fhir+json"}


class Receiver:
    """Answers with `answers` in order, then always with the last one of them."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers or (taken,))
        self.got: list[Got] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                got = Got({name.lower(): value for name, value in self.headers.items()}, body)
                with outer.lock:
                    outer.got.append(got)
                    answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                status, text, headers = answer(got)
                if status == 0:  # hangs up without a word
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/inbox"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

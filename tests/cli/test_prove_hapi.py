"""`exchange prove non-interference --against` on HAPI FHIR, alike and behind a filter that leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from exchange.cli.main import app
from tests.hapi.running import NotToBeHad, hapi_twins

pytestmark = pytest.mark.external
FHIR = {"Content-Type": "application/fhir+json"}
HIDDEN = {f"Observation/o{person}-1" for person in range(6)}
PURGED = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": name, "valueBoolean": True}
        for name in ("expungeDeletedResources", "expungePreviousVersions")
    ],
}


def records() -> Iterator[dict[str, Any]]:
    for person in range(6):
        name = [{"family": ("Roe", "Lee")[person % 2], "given": [f"Given {person}"]}]
        yield {"resourceType": "Patient", "id": f"p{person}", "name": name, "birthDate": f"196{person}-02-03"}
        for number in range(3):
            code = {"coding": [{"system": "http://loinc.org", "code": ("4548-4", "2339-0")[number % 2]}]}
            yield {
                "resourceType": "Observation",
                "id": f"o{person}-{number}",
                "status": "final",
                "code": code,
                "subject": {"reference": f"Patient/p{person}"},
                "effectiveDateTime": f"2026-0{number + 1}-1{person}",
            }
    members = [{"entity": {"reference": f"Patient/p{person}"}} for person in range(4)]
    yield {"resourceType": "Group", "id": "g1", "type": "person", "actual": True, "member": members}


def fill(base: str) -> None:
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in records()
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    requests.post(base, json=bundle, headers=FHIR, timeout=300).raise_for_status()


def purge(base: str) -> None:
    for name in HIDDEN:
        requests.delete(f"{base}/{name}", timeout=120).raise_for_status()
        requests.post(f"{base}/{name}/$expunge", json=PURGED, headers=FHIR, timeout=120).raise_for_status()


class Filtering(BaseHTTPRequestHandler):
    """Leaves hidden entries out of what the server behind it found, as many do: the total tells."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        own, behind = f"http://{self.headers['Host']}/fhir", self.server.behind  # type: ignore[attr-defined]
        path = self.path.removeprefix("/fhir")
        if (asked := re.match(r"/([A-Za-z]+/[^/?]+)", path)) and asked[1] in HIDDEN:
            self.say(404, b'{"resourceType":"OperationOutcome"}')
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {
            name: self.headers[name] for name in ("Accept", "Prefer", "Content-Type") if self.headers[name]
        }
        found = requests.request(self.command, behind + path, headers=headers, data=body, timeout=300)
        said = found.json() if found.content else {}
        if said.get("resourceType") == "Bundle":
            said["entry"] = [e for e in said.get("entry", []) if not self.is_hidden(e)]
        self.say(found.status_code, json.dumps(said).replace(behind, own).encode())

    do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815

    @staticmethod
    def is_hidden(entry: dict[str, Any]) -> bool:
        found = entry.get("resource", {})
        return f"{found.get('resourceType')}/{found.get('id')}" in HIDDEN

    def say(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def filtered(base: str) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Filtering) as server:
        server.behind = base  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/fhir"
        server.shutdown()
        thread.join()


def prove(one: str, other: str, number: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("EXCHANGE_PROVE_TOKEN_1", "EXCHANGE_PROVE_TOKEN_2"):
        monkeypatch.setenv(name, "nobody asks for it")
    words = ["prove", "non-interference", "--json", "--requests", str(number), "--against", one, other]
    found: dict[str, Any] = json.loads(CliRunner().invoke(app, words).stdout)
    return found


def test_two_alike_are_found_alike_and_a_leaking_filter_leaks(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with hapi_twins(tmp_path_factory.mktemp("hapi"), fill) as (one, other):
            assert prove(one, other, 100, monkeypatch)["holds"]
            purge(other)
            with filtered(one) as whole, filtered(other) as less:
                assert not prove(whole, less, 100, monkeypatch)["holds"]
    except NotToBeHad as reason:
        pytest.skip(str(reason))

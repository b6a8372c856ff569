"""A nursing home that subscribes by the FHIR API while the demo runs, and what it was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import orjson

from exchange.api import Service
from exchange.api.serve import Address, serving
from exchange.app import Exchange
from exchange.app.partners.delivering import send_due
from exchange.cli.demo.processes import free_port
from exchange.cli.demo.queries import Asking, call, token_of
from exchange.cli.service import api_service
from exchange.crypto import public_jwk, verify_detached
from exchange.delivery.receipts import receipts
from exchange.model.errors import ExchangeError
from exchange.model.records import Viewer

NURSING = Viewer("willow_nursing", "organization", "TREAT")
_TOPIC = "urn:mosaic:topic:discharge"
_PAYLOAD = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"


@dataclass(slots=True)
class Inbox:
    """What came to the nursing home: notices by their kind, and by those whose signature was good."""

    keys: dict[str, object]
    kinds: Counter[str] = field(default_factory=Counter)
    signed: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def take(self, body: bytes, signature: str) -> None:
        parameters = orjson.loads(body)["entry"][0]["resource"]["parameter"]
        kind = next(p["valueCode"] for p in parameters if p["name"] == "type")
        try:
            verify_detached(body, signature, self.keys)
            good = 1
        except ExchangeError:
            good = 0
        with self.lock:
            self.kinds[kind] += 1
            self.signed[kind] += good


@dataclass(frozen=True, slots=True)
class Noticed:
    """`records` in the acknowledged receipts, `withheld` events by category."""

    notices: int
    signed: int
    receipts: int
    acknowledged: int
    records: int
    withheld: Counter[str]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Subscribed until the block ends."""

    exchange: Exchange
    inbox: Inbox
    name: str

    def hear(self) -> Noticed:
        """Sends what waits, as the worker does, and counts what came of it."""
        send_due(self.exchange)
        with self.exchange.work.connect() as connection:
            found = [r for r in receipts(connection, NURSING.participant, most=10_000) if r.name == self.name]
        taken = [receipt for receipt in found if receipt.outcome == "acknowledged"]
        withheld: Counter[str] = Counter()
        for receipt in found:
            withheld.update(receipt.withheld)
        notices = self.inbox.kinds["event-notification"]
        records = sum(len(receipt.items) for receipt in taken)
        return Noticed(
            notices, self.inbox.signed["event-notification"], len(found), len(taken), records, withheld
        )


@contextmanager
def nursing_home(exchange: Exchange) -> Iterator[Subscriber]:
    """Serves the API and the nursing home's inbox on loopback, and subscribes to discharges."""
    inbox = Inbox({"keys": [public_jwk(exchange.signing_key, "EdDSA")]})
    with (
        _listening(inbox) as address,
        api_service(exchange, f"http://127.0.0.1:{free_port()}") as service,
        serving(service, Address(port=int(service.base_url.rsplit(":", 1)[1]))),
    ):
        name = _subscribe(exchange, service, address)
        send_due(exchange)  # the handshake
        yield Subscriber(exchange, inbox, name)
        asking = Asking("DELETE", token_of(exchange, service, NURSING))
        call(f"{service.fhir_url}/Subscription/{name}", asking)


def _subscribe(exchange: Exchange, service: Service, address: str) -> str:
    body = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "residents of ours who leave a hospital",
        "criteria": _TOPIC,
        "channel": {
            "type": "rest-hook",
            "endpoint": address,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": _PAYLOAD, "valueCode": "full-resource"}]},
        },
    }
    asking = Asking("POST", token_of(exchange, service, NURSING), resource=body)
    return str(call(f"{service.fhir_url}/Subscription", asking)["id"])


@contextmanager
def _listening(inbox: Inbox) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.take(body, self.headers.get("X-JWS-Signature", ""))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), name="demo-inbox", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/inbox"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

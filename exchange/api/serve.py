"""Runs the API with uvicorn; TLS ends here when a certificate is given, else at a proxy in front."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import uvicorn

from exchange.api.app import create_app
from exchange.api.export.produce import worker
from exchange.api.metrics import Metrics
from exchange.api.patience import PatientProtocol
from exchange.api.service import Service
from exchange.model.errors import ExchangeError

_START_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0: any free one. `metrics` is the door of Prometheus, None: it has none.

    With `client_authority` (PEM) nobody is heard who shows no certificate of it: mutual TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    certificate: Path | None = None
    private_key: Path | None = None
    metrics: tuple[str, int] | None = None
    client_authority: Path | None = None


def serve(service: Service, address: Address) -> None:
    """Serves until SIGINT or SIGTERM."""
    metrics = Metrics()
    with metrics.served(*address.metrics) if address.metrics else nullcontext(), worker(service):
        uvicorn.Server(_config(service, address, metrics)).run()


@contextmanager
def serving(service: Service, address: Address) -> Iterator[int]:
    """Serves in a thread while the block runs, and works on exports; gives the port."""
    with worker(service), answering(service, address) as port:
        yield port


@contextmanager
def answering(service: Service, address: Address) -> Iterator[int]:
    """Answers in a thread while the block runs, and leaves exports to others; gives the port."""
    server = uvicorn.Server(_config(service, address, Metrics()))
    thread = Thread(target=server.run, name="exchange-api", daemon=True)
    thread.start()
    try:
        yield _port_when_started(server, thread)
    finally:
        server.should_exit = True
        thread.join()


def _config(service: Service, address: Address, metrics: Metrics) -> uvicorn.Config:
    # URLs of searches hold patient data, and the audit log is the record of them: no handler may get them.
    logging.getLogger("uvicorn.access").disabled = True
    return uvicorn.Config(
        create_app(service, metrics),
        http=PatientProtocol,
        ws="none",
        host=address.host,
        port=address.port,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.private_key,
        ssl_ca_certs=str(address.client_authority) if address.client_authority else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if address.client_authority else ssl.CERT_NONE,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )


def _port_when_started(server: uvicorn.Server, thread: Thread) -> int:
    deadline = monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or monotonic() > deadline:
            raise ExchangeError("the API did not start; is the address in use?")
        sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port

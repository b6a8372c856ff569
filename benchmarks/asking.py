"""Asking the exchange over HTTP as a participant's software does, for the benchmarks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import requests

from exchange.api import Service
from exchange.api.access import issue
from exchange.api.clients import Client, register_client
from exchange.api.export.produce import work_once
from exchange.api.scopes import parse_scopes
from exchange.api.serve import Address, answering
from exchange.app import Exchange
from exchange.cli.service import api_service
from exchange.crypto.tokens import new_jwk_pair
from exchange.model.records import Viewer


@dataclass(frozen=True, slots=True)
class Asking:
    """A session with a token, and the service that answers it."""

    service: Service
    session: requests.Session

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.service.fhir_url}/{path}", timeout=60)

    def export(self, kinds: str) -> int:
        """Bytes of a whole export of these types: asked for, written, fetched."""
        begun = self.session.get(
            f"{self.service.fhir_url}/$export?_type={kinds}", headers={"Prefer": "respond-async"}, timeout=60
        )
        begun.raise_for_status()
        while work_once(self.service):
            pass
        done = self.session.get(begun.headers["content-location"], timeout=60)
        size = sum(len(self._file(file["url"])) for file in done.json()["output"])
        self.session.delete(begun.headers["content-location"], timeout=60)
        return size

    def _file(self, url: str) -> bytes:
        answer = self.session.get(url, timeout=60)
        answer.raise_for_status()
        return answer.content


@contextmanager
def asking(opened: Exchange, participant: str, client_id: str = "bench") -> Iterator[Asking]:
    """A server on loopback, and a client of a participant that treats."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, key = new_jwk_pair("ES384")
    client = Client(client_id, participant, {"keys": [key]}, ["system/*.rs"], ["organization"], ["TREAT"])
    with opened.work.connect() as connection:
        register_client(connection, client, opened.partners[participant], datetime.now(UTC))
        connection.commit()
    with (
        api_service(opened, f"http://127.0.0.1:{port}") as service,
        answering(service, Address(port=port)),
    ):
        viewer = Viewer(participant, "organization", "TREAT")
        token, _ = issue(service, viewer, client, parse_scopes("system/*.rs"), datetime.now(UTC))
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        yield Asking(service, session)

"""How long a connection is held open for a request that does not come.

The server underneath waits for ever for the head of a request: whoever opens connections and says nothing
would hold them all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from exchange.api.certificates import CertificateProtocol

HEAD_SECONDS = 30.0
"""From the first byte of a request, or from the connection, to the end of its head."""


class PatientProtocol(CertificateProtocol):
    """HTTP on a connection that is closed when the head of a request is not there in time."""

    loop: asyncio.AbstractEventLoop
    cycle: Any  # the request that is answered, of uvicorn's own kind

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once for each connection, after the TLS handshake."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or more than one."""
        super().data_received(data)
        if self._is_answering():
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once, at the end."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self._is_answering():
            self.transport.close()

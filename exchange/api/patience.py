"""How long a connection is held open for a request that does not come, and how much of its head is taken.

The server underneath waits for ever for the head of a request, and one of its two parsers keeps all of it:
whoever opens connections and says nothing, or never comes to an end, would have them all and the memory too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from exchange.api.certificates import CertificateProtocol
from exchange.api.messages import outcome
from exchange.model.records import Issue

HEAD_SECONDS = 30.0
"""From the first byte of a request, or from the connection, to the end of its head."""

HEAD_BYTES = 1 << 16
"""Of a head that has not ended; one that comes at once may be a little longer."""


class PatientProtocol(CertificateProtocol):
    """HTTP on a connection that is closed when the head of a request is not there in time, or has no end."""

    loop: asyncio.AbstractEventLoop
    cycle: Any  # the request that is answered, of uvicorn's own kind

    _waiting: asyncio.TimerHandle | None = None
    _head = 0  # bytes that came of a head without its end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once for each connection, after the TLS handshake."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or more than one."""
        before, is_body = self.cycle, self._is_answering() and self.cycle.more_body
        super().data_received(data)
        self._head = 0 if is_body or self.cycle is not before else self._head + len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self._hang_up(b"431 Request Header Fields Too Large", "too-long", "a head has 64 KiB at most")
        elif self._is_answering():
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once, at the end."""
        self._wait_no_more()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are no HTTP request."""
        self._hang_up(b"400 Bad Request", "structure", "this is no HTTP request")

    def _hang_up(self, status: bytes, code: str, text: str) -> None:
        """Says why, unless an answer is on its way that this would be taken for."""
        self._wait_no_more()
        if not self._is_answering():
            body = outcome([Issue("error", code, text, "")])
            head = b"HTTP/1.1 %b\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n"
            self.transport.write(head % (status, len(body)) + b"Connection: close\r\n\r\n" + body)
        self.transport.close()

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

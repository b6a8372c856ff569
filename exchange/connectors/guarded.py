"""HTTP sessions to where others say: where a connection leads is looked at before a byte goes there.

A name may lead elsewhere when it is connected to than when it was looked up, so it is the connected address
that counts. No proxy stands between, as that would do the looking up. A request ends after some seconds,
however it is kept alive: a timeout alone begins anew with every byte that drips in.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from exchange.connectors.endpoints import LOOPBACK, refuse_address


class Guard(HTTPAdapter):
    """`outside_only`: it connects to addresses that are everybody's, and this machine by its own names.

    For one thread, one request after the other.
    """

    def __init__(self, longest_seconds: float, outside_only: bool) -> None:
        self._seconds, self._outside_only = longest_seconds, outside_only
        self._lock, self._timer = Lock(), Timer(0, lambda: None)
        self._handle: socket.socket | None = None
        self.expired = False
        super().__init__()
        self.poolmanager.pool_classes_by_scheme = _pools(self)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Begins the time of this request; the one before has ended."""
        self._begin()
        direct = None if self._outside_only else proxies
        return super().send(request, stream, timeout, verify, cert, direct)

    def connected(self, host: str, sock: socket.socket) -> None:
        """Raises PartnerUnavailable, the connection closed, when it leads where it may not."""
        if self._outside_only and host not in LOOPBACK:
            try:
                refuse_address(str(sock.getpeername()[0]))
            except BaseException:
                sock.close()
                raise
        with self._lock:
            self._release()
            self._handle = sock.dup()  # TLS takes the socket itself away

    def close(self) -> None:
        """Ends the time, and all connections."""
        self._timer.cancel()
        with self._lock:
            self._release()
        super().close()

    def _begin(self) -> None:
        self._timer.cancel()
        self.expired = False
        self._timer = Timer(self._seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        with self._lock:
            self.expired = True
            if self._handle is not None:
                with suppress(OSError):  # it ended by itself
                    self._handle.shutdown(socket.SHUT_RDWR)
            self._release()

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._handle = None


def _pools(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            guard.connected(self.host, sock)
            return sock

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            guard.connected(self.host, sock)
            return sock

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


@contextmanager
def guarded_session(longest_seconds: float, outside_only: bool) -> Iterator[tuple[requests.Session, Guard]]:
    """A session all of whose requests are guarded."""
    guard = Guard(longest_seconds, outside_only)
    with requests.Session() as session:
        session.mount("http://", guard)
        session.mount("https://", guard)
        yield session, guard

"""A client's JSON Web Key Set from its own address (RFC 7517), fetched with suspicion.

Only https, or http on this machine; no redirect is followed, no more is read than a key set holds, and a name
that leads into our own network is refused, so that nobody makes this server ask there. A connection ends
after some seconds, however it is kept alive.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from exchange.connectors.http import USER_AGENT
from exchange.model.errors import ContentError, PartnerUnavailable

_MOST_BYTES = 65_536
_SECONDS = 5.0
_LONGEST_SECONDS = 10.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def check_jwks_url(url: str) -> None:
    """Raises ContentError unless keys may be fetched from there."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if (
        not secure
        or not parts.hostname
        or parts.username
        or parts.password
        or parts.fragment
        or len(url) > 500
    ):
        raise ContentError(
            "must be https://… (http on this machine), without user or fragment", field="jwks_url"
        )


def fetch_jwks(url: str) -> Mapping[str, Any]:
    """The key set; raises PartnerUnavailable, whose words quote nothing of what was answered."""
    check_jwks_url(url)
    _refuse_inside(url)
    headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
    try:
        with (
            _session() as session,
            session.get(url, headers=headers, timeout=_SECONDS, allow_redirects=False, stream=True) as answer,
        ):
            if answer.status_code != 200:
                raise PartnerUnavailable("the address of the keys does not answer with 200")
            found = json.loads(_limited(answer))
    except (requests.RequestException, ValueError, RecursionError):
        raise PartnerUnavailable("the keys cannot be fetched from their address") from None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise PartnerUnavailable("what lies at the address of the keys is no JSON Web Key Set")
    return found


def _limited(answer: requests.Response) -> bytes:
    body = b""
    for block in answer.iter_content(4_096):
        body += block
        if len(body) > _MOST_BYTES:
            raise PartnerUnavailable("the key set is too long")
    return body


def _refuse_inside(url: str) -> None:
    """A public name whose address is ours to reach only is not asked."""
    host = urlsplit(url).hostname or ""
    if host in _LOOPBACK:
        return
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise PartnerUnavailable("the address of the keys has no host that is known") from None
    for entry in found:
        _refuse_own(str(entry[4][0]))


def _refuse_own(address: str) -> None:
    if not ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise PartnerUnavailable("the address of the keys leads into a network of our own")


class _Bounded:
    """A connection that lasts some seconds; a timeout alone begins anew with every byte that drips in."""

    host: str
    sock: socket.socket

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        if self.host not in _LOOPBACK:  # the name may lead elsewhere than when it was looked up
            _refuse_own(str(self.sock.getpeername()[0]))
        end = Timer(_LONGEST_SECONDS, _shut, (self.sock,))
        end.daemon = True
        end.start()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it ended by itself
        sock.shutdown(socket.SHUT_RDWR)


class _Plain(_Bounded, HTTPConnection):
    pass


class _Secure(_Bounded, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def _session() -> requests.Session:
    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    session = requests.Session()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session

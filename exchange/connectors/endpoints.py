"""Addresses that others name and this exchange posts to: where they may lead.

Only https, and this machine where the exchange itself is served there (a demo); a public name that leads into
our own network is refused when something is sent, so that nobody makes the worker ask there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from exchange.model.errors import ContentError, PartnerUnavailable

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!&'()*+,;=%]{1,500}")  # no `${NAME}` of ours


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("https://127.0.0.1.example")
    (True, False)
    """
    return urlsplit(url).hostname in _LOOPBACK


def check_endpoint(url: str, on_this_machine: bool) -> None:
    """Raises ContentError unless bundles may be posted there."""
    valid = "https://…, without user or fragment" + (", or this machine" if on_this_machine else "")
    try:
        parts = urlsplit(url)
        local = is_loopback(url)
        number = parts.port
    except ValueError:
        raise ContentError(f"must be {valid}", field="channel.endpoint") from None
    secure = parts.scheme in ("http", "https") if local else parts.scheme == "https"
    forbidden = parts.username or parts.password or parts.fragment or number == 0
    if not secure or not parts.hostname or forbidden or not _PLAIN.fullmatch(url):
        raise ContentError(f"must be {valid}", field="channel.endpoint")
    if (local and not on_this_machine) or _is_inside(parts.hostname):
        raise ContentError("leads to a network of our own", field="channel.endpoint")


def _is_inside(host: str) -> bool:
    """Whether it is a number of an address that is not everybody's; names are looked up when it matters."""
    try:
        return host not in _LOOPBACK and not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def refuse_inside(url: str) -> None:
    """Raises PartnerUnavailable when the name leads to an address that is not everybody's, or nowhere."""
    if is_loopback(url):
        return
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        raise PartnerUnavailable("the endpoint has no host that is known") from None
    if any(not ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found):
        raise PartnerUnavailable("the endpoint leads into a network of our own")

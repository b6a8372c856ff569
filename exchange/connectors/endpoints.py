"""Addresses that others name and this exchange asks: where they may lead.

Only https, and this machine where the exchange itself is served there (a demo); a public name that leads into
our own network is refused when something is sent, so that nobody makes the exchange ask there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from exchange.model.errors import ContentError, PartnerUnavailable

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names under which this machine may be meant on purpose."""

_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!&'()*+,;=%]{1,500}")  # no `${NAME}` of ours


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("https://127.0.0.1.example")
    (True, False)
    """
    return urlsplit(url).hostname in LOOPBACK


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
        return host not in LOOPBACK and not _is_everybodys(host)
    except ValueError:
        return False


def _is_everybodys(address: str) -> bool:
    """Whether one host of the public network has it; an address of IPv4 inside one of IPv6 counts as well.

    >>> [_is_everybodys(a) for a in ("9.9.9.9", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        embedded = _embedded(found)
        if embedded is not None:
            found = embedded
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """RFC 4291 section 2.5.5, RFC 6052, RFC 3056; `::` and `::1` are in `::/96` too."""
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def refuse_address(address: str) -> None:
    """Raises PartnerUnavailable when it is not everybody's."""
    if not _is_everybodys(address):
        raise PartnerUnavailable("the address leads into a network of our own")


def refuse_inside(url: str) -> None:
    """Raises PartnerUnavailable when the name leads to an address that is not everybody's, or nowhere."""
    if is_loopback(url):
        return
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        raise PartnerUnavailable("the address has no host that is known") from None
    for entry in found:
        refuse_address(str(entry[4][0]))

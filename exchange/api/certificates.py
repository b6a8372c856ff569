"""Tokens bound to the client's certificate (RFC 8705): the TLS connection tells which one was shown.

The server underneath keeps the certificate to itself, so its protocol is asked when a connection begins.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import MutableMapping
from hashlib import sha256
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_EXTENSION = "mosaic.client_certificate"


class CertificateProtocol(AutoHTTPProtocol):  # type: ignore[valid-type,misc]
    """HTTP as uvicorn speaks it; requests know the thumbprint of the certificate of their connection."""

    app: Any  # uvicorn's own kind of application

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once for each connection, after the TLS handshake."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True) if tls else None
        if shown:
            self.app = _Shown(self.app, thumbprint(shown))


class _Shown:
    """The application, told which certificate its requests come with."""

    def __init__(self, app: ASGIApp, shown: str) -> None:
        self._app, self._shown = app, shown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {**scope, "extensions": {**(scope.get("extensions") or {}), _EXTENSION: self._shown}}
        await self._app(told, receive, send)


def certificate_of(scope: MutableMapping[str, Any]) -> str:
    """Thumbprint of the certificate that the client of a request showed; `` when it showed none."""
    return str((scope.get("extensions") or {}).get(_EXTENSION, ""))


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a DER certificate (RFC 8705 section 3.1).

    >>> thumbprint(b"")
    '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """
    return urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode()

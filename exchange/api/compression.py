"""Answers compressed for those who take them so, apart from ranges: those are of the bytes as they are."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_SMALLEST = 1_000
_LEVEL = 5


class Compression:
    """gzip by `Accept-Encoding`; a request with `Range` is answered as it stands (RFC 9110 section 14.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ranged = scope["type"] == "http" and "range" in Headers(scope=scope)
        await (self._plain if ranged else self._compressed)(scope, receive, send)

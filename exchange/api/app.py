"""The ASGI application: routes, and the edge every request and answer goes through."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exchange.api import access, fhir, smart
from exchange.api.capability import smart_configuration
from exchange.api.certificates import certificate_of
from exchange.api.compression import Compression
from exchange.api.limits import Buckets
from exchange.api.messages import Answer, Call, Refusal, json_answer, refused
from exchange.api.metrics import Metrics
from exchange.api.service import Service
from exchange.crypto import public_jwk
from exchange.model.errors import ExchangeError
from exchange.repository import BadSearch, CursorRefused

Work = Callable[[Service, Call], Answer]

_log = logging.getLogger("exchange.api")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ASKED_WITH = ("If-Match", "If-None-Match", "If-Range", "Range", "Idempotency-Key", "X-Request-Id")
_TOLD_IN = (
    "Content-Location", "Content-Range", "ETag", "Last-Modified", "Location", "Retry-After", "X-Obligations",
    "X-Progress", "X-Request-Id",
)  # fmt: skip
_HEADERS = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(service: Service, metrics: Metrics) -> ASGIApp:
    """The FHIR API, the token endpoints and health of one service; counts go to `metrics`."""
    participants, addresses = service.buckets()
    if service.standby is not None:
        metrics.include(service.standby.metrics)

    def route(path: str, name: str, methods: tuple[str, ...], work: Work) -> Route:
        return Route(path, _Endpoint(service, metrics, name, methods, work))

    def limited(work: Work) -> Work:
        return lambda service, call: _limited(addresses, call) or work(service, call)

    def answer_fhir(service: Service, call: Call) -> Answer:
        return fhir.answer(service, participants, call)

    def configuration(service: Service, _: Call) -> Answer:
        return json_answer(smart_configuration(service))

    routes = [
        route("/auth/token", "token", ("POST",), limited(smart.token)),
        route("/auth/introspect", "introspect", ("POST",), limited(smart.introspect)),
        route("/auth/revoke", "revoke", ("POST",), limited(smart.revoke)),
        route("/.well-known/smart-configuration", "discovery", ("GET", "HEAD"), configuration),
        route("/fhir/.well-known/smart-configuration", "discovery", ("GET", "HEAD"), configuration),
        route("/.well-known/jwks.json", "discovery", ("GET", "HEAD"), _keys),
        route("/health", "health", ("GET", "HEAD"), _health),
        route("/fhir", "fhir", (), answer_fhir),
        route("/fhir/{path:path}", "fhir", (), answer_fhir),
        route("/{path:path}", "nowhere", (), _nowhere),
    ]
    application = Starlette(
        routes=routes,
        middleware=[*_cross_origin(service), Middleware(Compression)],
    )
    # A path with a line's end in it fits none of the routes, and the framework would answer in plain text.
    application.router.default = _Endpoint(service, metrics, "nowhere", (), _nowhere)
    return application


def _cross_origin(service: Service) -> list[Middleware]:
    """Pages of the origins named may ask; tokens come in a header, so no cookie ever goes along."""
    if not service.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(service.origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Prefer", *_ASKED_WITH],
            expose_headers=_TOLD_IN,
            max_age=600,
        )
    ]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One route; `methods` empty: the work itself says which ones are served."""

    service: Service
    metrics: Metrics
    name: str
    methods: tuple[str, ...]
    work: Work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = _request_id(request)
        started = self.service.timer()
        answer = await self._answer(request, request_id)
        self.metrics.count(self.name, answer.status, self.service.timer() - started)
        headers = {**_HEADERS, **answer.headers, "X-Request-Id": request_id}
        await Response(answer.body, answer.status, headers, answer.media)(scope, receive, send)

    async def _answer(self, request: Request, request_id: str) -> Answer:
        try:
            if self.methods and request.method not in self.methods:
                allow = {"Allow": ", ".join(self.methods)}
                raise Refusal(405, "not-supported", f"use {allow['Allow']}", allow)
            call = await _read(request, self.service, request_id)
            return await run_in_threadpool(self.work, self.service, call)
        except Refusal as refusal:
            return refused(refusal)
        except Exception as error:
            return refused(_failure(error, self.name, request_id))


def _failure(error: Exception, endpoint: str, request_id: str) -> Refusal:
    """What the requester is told of an error of ours; its type alone is logged, its text may quote a row."""
    if isinstance(error, ClientDisconnect):
        return Refusal(400, "incomplete", "the request ended early")
    if isinstance(error, (BadSearch, CursorRefused)):
        return Refusal(400, error.issue_code, str(error))
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Refusal(400, "too-costly", "this takes too long to answer; ask for less at once")
    _log.error("%s failed: %s, request %s", endpoint, type(error).__name__, request_id)
    if isinstance(error, (psycopg.OperationalError, PoolTimeout)):
        return Refusal(503, "transient", "try again later", {"Retry-After": "5"})
    if isinstance(error, ExchangeError):
        headers = {"Retry-After": "5"} if error.http_status == 503 else {}
        text = "try again later" if headers else "the request could not be answered"
        return Refusal(error.http_status, error.issue_code, text, headers)
    return Refusal(500, "exception", "the request could not be answered")


async def _read(request: Request, service: Service, request_id: str) -> Call:
    """The request as plain data, refused as soon as it is too large."""
    limits = service.limits
    query = request.scope["query_string"].decode("latin-1")
    if len(query) + len(request.url.path) > limits.target:
        raise Refusal(
            414, "too-long", f"the URL must not be longer than {limits.target} bytes; use POST _search"
        )
    if not query.isascii():
        raise Refusal(400, "invalid", "the query must be percent-encoded")
    return Call(
        method=request.method,
        path=request.scope["path"],
        query=query,
        headers=request.headers,
        body=await _body_in_time(request, _most(request, service), limits.body_seconds),
        address=request.client.host if request.client else "unknown",
        request_id=request_id,
        at=service.clock(),
        certificate=certificate_of(request.scope),
    )


def _most(request: Request, service: Service) -> int:
    """Who has no token sends no more than a form."""
    form = "json" not in request.headers.get("content-type", "") or request.method not in ("POST", "PUT")
    token = request.headers.get("authorization", "").partition(" ")[2]
    if form or not access.read_token(service, token.strip(), service.clock()):
        return service.limits.body
    return service.limits.upload


async def _body_in_time(request: Request, most: int, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await _body(request, most)
    except TimeoutError:
        raise Refusal(408, "timeout", "the body did not come in time", {"Connection": "close"}) from None


async def _body(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise Refusal(
                413, "too-long", f"the body must not be longer than {most} bytes", {"Connection": "close"}
            )
        parts.append(part)
    return b"".join(parts)


def _request_id(request: Request) -> str:
    """The requester's own X-Request-Id when it is harmless, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


def _limited(addresses: Buckets, call: Call) -> Answer | None:
    """An answer when this address asks too often."""
    wait = addresses.wait(call.address)
    return refused(fhir.too_often(wait)) if wait else None


def _keys(service: Service, _: Call) -> Answer:
    """What the signatures of bundles, and tokens, are checked with."""
    return json_answer({"keys": [public_jwk(service.signing_key, "EdDSA")]})


def _health(service: Service, _: Call) -> Answer:
    """Healthy while the database answers."""
    with service.pool.connection(timeout=5) as conn:
        conn.execute("SELECT 1")
    return json_answer({"status": "ok"})


def _nowhere(_: Service, __: Call) -> Answer:
    raise Refusal(404, "not-found", "there is nothing at this address")

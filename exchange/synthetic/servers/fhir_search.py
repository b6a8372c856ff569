"""prairie_clinic's FHIR server: read and search with paging, https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import base64
import binascii

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.synthetic.feeds.prairie import TYPES
from exchange.synthetic.servers.answers import MEDIA, address, fhir, instant, outcome
from exchange.synthetic.store import Store

_LARGEST = 1000


def application(store: Store, token: str = "") -> Starlette:
    """The server over `store`; with `token` every request must bear it."""
    clinic = _Clinic(store, token)
    return Starlette(
        routes=[
            Route("/metadata", clinic.metadata),
            Route("/{type}", clinic.search),
            Route("/{type}/{id}", clinic.read),
        ]
    )


class _Clinic:
    def __init__(self, store: Store, token: str) -> None:
        self.store, self.token = store, token

    def _refused(self, request: Request) -> Response | None:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return outcome(401, "login", "A bearer token is needed.")
        kind = request.path_params.get("type")
        return outcome(404, "not-supported", "No such resource type here.") if kind not in TYPES else None

    def read(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        body = self.store.get(request.path_params["type"], request.path_params["id"])
        return Response(body, media_type=MEDIA) if body else outcome(404, "not-found", "No such resource.")

    def search(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        try:
            since, size, after = _position(request)
        except ValueError as problem:
            return outcome(400, "invalid", str(problem))
        kind = request.path_params["type"]
        found = self.store.page(kind, since, after, size + 1)
        links = [{"relation": "self", "url": str(request.url)}]
        if len(found) > size:
            last = found[size - 1]
            page = base64.urlsafe_b64encode(orjson.dumps([since, size, last[0], last[1]])).decode()
            links.append({"relation": "next", "url": f"{address(request)}/{kind}?_page={page}"})
        base = address(request)
        entries = b",".join(_entry(base, kind, local, body) for _, local, body in found[:size])
        return Response(_bundle(links, self.store.count(kind, since), entries), media_type=MEDIA)

    def metadata(self, request: Request) -> Response:
        interactions = [{"code": "read"}, {"code": "search-type"}]
        parameters = [{"name": "_lastUpdated", "type": "date"}]
        resources = [{"type": t, "interaction": interactions, "searchParam": parameters} for t in TYPES]
        statement = {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-05",
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "implementation": {"description": "Prairie Community Clinic", "url": address(request)},
            "rest": [{"mode": "server", "resource": resources}],
        }
        return fhir(statement)


def _entry(base: str, kind: str, local: str, body: bytes) -> bytes:
    url = f"{base}/{kind}/{local}".encode()
    return b'{"fullUrl":"' + url + b'","resource":' + body + b',"search":{"mode":"match"}}'


def _bundle(links: list[dict[str, str]], total: int, entries: bytes) -> bytes:
    head = orjson.dumps({"resourceType": "Bundle", "type": "searchset", "total": total, "link": links})
    return head[:-1] + (b',"entry":[' + entries + b"]}" if entries else b"}")


def _position(request: Request) -> tuple[str, int, tuple[str, str]]:
    """(changed at or after, page size, (updated, id) of the last one seen)."""
    query = request.query_params
    if "_page" in query:
        try:
            since, size, updated, local = orjson.loads(base64.urlsafe_b64decode(query["_page"]))
        except (binascii.Error, orjson.JSONDecodeError, ValueError):
            raise ValueError("_page is not one of ours") from None
        return since, size, (updated, local)
    size = int(query.get("_count", "100"))
    if not 1 <= size <= _LARGEST:
        raise ValueError(f"_count must lie between 1 and {_LARGEST}")
    return instant(query.get("_lastUpdated", "")), size, ("", "")

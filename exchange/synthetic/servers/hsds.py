"""service_directory's HSDS API: https://docs.openreferral.org/en/latest/hsds/api_reference.html"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def application(file: Path) -> Starlette:
    """The API over a JSON file, read anew for each request."""

    def about(request: Request) -> Response:
        return JSONResponse({"version": "3.0", "profile": "https://docs.openreferral.org/en/v3.0.1/"})

    def services(request: Request) -> Response:
        return _page(request, orjson.loads(file.read_bytes()))

    def service(request: Request) -> Response:
        found = [s for s in orjson.loads(file.read_bytes()) if s["id"] == request.path_params["id"]]
        return JSONResponse(found[0]) if found else JSONResponse({"detail": "Not found"}, 404)

    return Starlette(
        routes=[Route("/", about), Route("/services", services), Route("/services/{id}", service)]
    )


def _page(request: Request, found: list[dict[str, Any]]) -> Response:
    query = request.query_params
    try:
        page, size = int(query.get("page", "1")), int(query.get("per_page", "50"))
    except ValueError:
        return JSONResponse({"detail": "page and per_page are numbers"}, 422)
    since = query.get("modified_after", "")
    found = [service for service in found if service["last_modified"] >= since]
    pages = max(1, math.ceil(len(found) / max(1, size)))
    part = found[(page - 1) * size : page * size]
    return JSONResponse(
        {
            "total_items": len(found),
            "total_pages": pages,
            "page_number": page,
            "size": len(part),
            "first_page": page == 1,
            "last_page": page >= pages,
            "empty": not part,
            "contents": part,
        }
    )

"""What the HTTP systems' answers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response

from exchange.synthetic.store import utc

MEDIA = "application/fhir+json; charset=utf-8"


def address(request: Request) -> str:
    """The URL of the system that was asked, without a slash at the end."""
    return str(request.url.replace(path=request.scope["root_path"], query="", fragment=""))


def outcome(status: int, code: str, text: str) -> Response:
    """An OperationOutcome."""
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return fhir({"resourceType": "OperationOutcome", "issue": [issue]}, status)


def fhir(resource: Mapping[str, object], status: int = 200) -> Response:
    """A resource as a response."""
    return Response(orjson.dumps(resource), status, media_type=MEDIA)


def instant(given: str) -> str:
    """`ge<instant>` (or a bare instant) as the store compares it; empty for the beginning."""
    if not given:
        return ""
    # A plus sign that the client did not encode arrives as a space.
    moment = datetime.fromisoformat(given.removeprefix("ge").replace(" ", "+"))
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

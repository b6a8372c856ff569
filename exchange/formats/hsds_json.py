"""Human Services Data Specification as JSON: pages or lists of objects.

What hangs below an organization (its services) comes as records of its own, each with
the organization in it, as a list of services would give them.
https://docs.openreferral.org/en/3.0/hsds/api_reference.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from exchange.formats.fhir_json import load
from exchange.model.errors import RecordRejected


def objects(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """Id (empty when missing) and JSON of each object of a page (`contents`), a list, or a single object.

    >>> list(objects(b'{"page_number": 1, "contents": [{"id": "a"}]}'))
    [('a', b'{"id":"a"}')]
    >>> list(objects(b'{"id": "o", "services": [{"id": "s"}]}'))
    [('o', b'{"id":"o"}'), ('s', b'{"id":"s","organization":{"id":"o"}}')]
    """
    parsed = load(payload)
    found = parsed.get("contents", [parsed]) if isinstance(parsed, dict) else parsed
    if not isinstance(found, list):
        raise RecordRejected("neither an object nor a list of objects", code="structure")
    for item in found:
        for piece in _pieces(item):
            identifier = piece.get("id") if isinstance(piece, dict) else None
            yield str(identifier or ""), orjson.dumps(piece)


def _pieces(item: Any) -> Iterator[Any]:
    services = item.get("services") if isinstance(item, dict) else None
    if not isinstance(services, list):
        yield item
        return
    whole = {name: value for name, value in item.items() if name != "services"}
    yield whole
    for service in services:
        yield {**service, "organization": whole} if isinstance(service, dict) else service

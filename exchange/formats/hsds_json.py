"""Human Services Data Specification as JSON: pages or lists of objects.

https://docs.openreferral.org/en/3.0/hsds/api_reference.html
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from exchange.formats.fhir_json import load
from exchange.model.errors import RecordRejected


def objects(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """Id (empty when missing) and JSON of each object of a page (`contents`), a list, or a single object.

    >>> list(objects(b'{"page_number": 1, "contents": [{"id": "a"}]}'))
    [('a', b'{"id":"a"}')]
    """
    parsed = load(payload)
    found = parsed.get("contents", [parsed]) if isinstance(parsed, dict) else parsed
    if not isinstance(found, list):
        raise RecordRejected("neither an object nor a list of objects", code="structure")
    for item in found:
        identifier = item.get("id") if isinstance(item, dict) else None
        yield str(identifier or ""), orjson.dumps(item)

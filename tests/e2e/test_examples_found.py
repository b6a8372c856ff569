"""The R4 examples as a partner's feed: each is read as it was published, and found by each value it has.

Which values those are says FHIRPath, by the published definitions of the search parameters.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from exchange.cli.service import api_service
from exchange.repository import parameters
from tests.e2e.published import SPECIFICATION, Asking, Found, Resource, everything_of, feed, fhirpath, opened
from tests.e2e.written import WRITTEN, any_of, token

pytestmark = pytest.mark.external

EACH = 4
"""Resources that are looked for by one parameter of their type."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Asking]:
    if not SPECIFICATION.is_dir():
        pytest.skip("the examples are not here")
    folder = tmp_path_factory.mktemp("examples")
    examples = [json.loads(f.read_bytes()) for f in sorted((SPECIFICATION / "examples").glob("*.json"))]
    exchange = opened(folder / "home", feed(folder / "files", examples), module_database)
    with api_service(exchange, "https://hie.example") as service:
        yield Asking(service)


@pytest.fixture(scope="module")
def published(ask: Asking) -> list[Resource]:
    return everything_of(ask)


@pytest.fixture(scope="module")
def values(published: list[Resource], tmp_path_factory: pytest.TempPathFactory) -> Found:
    return fhirpath(tmp_path_factory.mktemp("fhirpath"), published)


def test_every_example_is_read_as_it_is_found(ask: Asking, published: list[dict[str, Any]]) -> None:
    assert len(published) > 380
    for resource in published:
        assert ask(f"{resource['resourceType']}/{resource['id']}") == (200, resource)


def test_every_example_is_found_by_each_of_its_values_and_by_no_opposite(ask: Asking, values: Found) -> None:
    tried: dict[tuple[str, str], int] = defaultdict(int)
    missed = []
    for kind, fhir_id, name, found in values:
        searches = list(_searches(kind, name, found))
        tried[kind, name] += 1
        for asked, value, is_found in searches if tried[kind, name] <= EACH else ():
            status, bundle = ask(kind, ("_id", fhir_id), (asked, value), ("_total", "accurate"))
            if status != 200 or bundle["total"] != is_found:
                missed.append((kind, asked, value, status))
    assert missed == []
    assert len(tried) > 200


def _searches(kind: str, name: str, found: list[Any]) -> Iterator[tuple[str, str, int]]:
    """A parameter with its modifier, a value, and how many of the one resource that is asked about."""
    parameter = parameters()[kind][name]
    if parameter.kind == "composite":
        codes = [(next(token(code), None) if code else None, value) for code, value in found]
        yield from ((name, f"{code}${text}", 1) for code, value in codes if code for text in any_of(value))
        return
    written = [text for value in found for text in WRITTEN[parameter.kind](value)]
    if parameter.subject:  # it leads to a Patient; a Group or a Location is nobody's record
        written = [text for text in written if text.startswith("Patient/")]
    if not written:
        return
    yield from ((name, text, 1) for text in written)
    if (kind, name) not in _SHOWN_OF_ALL:
        yield from ((f"{name}:missing", word, times) for word, times in (("false", 1), ("true", 0)))
    if parameter.kind == "token":
        yield f"{name}:not", written[0], 0
    if parameter.kind == "string":
        yield name, written[0][:4].upper().rstrip("\\"), 1
        yield f"{name}:exact", written[0], 1
        yield f"{name}:contains", written[0][1:] or written[0], 1


_SHOWN_OF_ALL = {("Patient", "active"), ("Patient", "deceased")}
"""What a person is shown with although no source may say it; `:missing` asks what sources say."""

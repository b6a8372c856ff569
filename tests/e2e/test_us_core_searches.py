"""The searches that US Core asks of servers, for its own examples: each finds what it is about.

https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html
"""

from __future__ import annotations

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import pytest

from exchange.cli.service import api_service
from exchange.repository import parameters
from tests.e2e.published import SHARED, Asking, everything_of, feed, fhirpath, opened
from tests.e2e.written import WRITTEN

pytestmark = pytest.mark.external

PACKAGE = SHARED / "uscore_packages" / "us_core_610.tgz"
NOT_SERVED = {"Endpoint", "Media", "Questionnaire", "ValueSet", "Provenance"}
"""Types of the statement that hold no searches, or resources of ours."""
EACH = 3
"""Resources that are looked for by one search."""

Values = dict[str, dict[str, dict[str, str]]]
"""By type, id and parameter one value as a search writes it."""


def package(part: str) -> Iterator[dict[str, Any]]:
    with tarfile.open(PACKAGE) as archive:
        for member in archive:
            if part in member.name and member.name.endswith(".json"):
                yield json.load(archive.extractfile(member))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Asking]:
    if not PACKAGE.exists():
        pytest.skip("US Core is not here")
    folder = tmp_path_factory.mktemp("us-core")
    exchange = opened(folder / "home", feed(folder / "files", list(package("/example/"))), module_database)
    with api_service(exchange, "https://hie.example") as service:
        yield Asking(service)


@pytest.fixture(scope="module")
def values(ask: Asking, tmp_path_factory: pytest.TempPathFactory) -> Values:
    found: Values = defaultdict(lambda: defaultdict(dict))
    resources = everything_of(ask)
    for resource in resources:
        found[resource["resourceType"]][resource["id"]]["_id"] = resource["id"]
    for kind, fhir_id, name, several in fhirpath(tmp_path_factory.mktemp("fhirpath"), resources):
        write = WRITTEN.get(parameters()[kind][name].kind)  # none for a composite, which US Core never asks
        texts = [text for value in several for text in write(value)] if write else []
        if texts:
            found[kind][fhir_id][name] = max(texts[:2], key=len)  # with its system, where it has one
    return found


def searches() -> set[tuple[str, tuple[str, ...]]]:
    """Type and parameters of each search that a server SHALL or SHOULD answer."""
    (statement,) = package("/CapabilityStatement-us-core-server")
    found = set()
    for resource in statement["rest"][0]["resource"]:
        for one in resource.get("searchParam", ()):
            if {said["valueCode"] for said in one.get("extension", ())} & {"SHALL", "SHOULD"}:
                found.add((resource["type"], (one["name"],)))
        for said in resource.get("extension", ()):  # combinations, all of which are expected
            names = tuple(p["valueString"] for p in said.get("extension", ()) if p["url"] == "required")
            found |= {(resource["type"], names)} if names else set()
    return found


def is_date(kind: str, name: str) -> bool:
    return name in parameters()[kind] and parameters()[kind][name].kind == "date"


def ids(answer: tuple[int, Any]) -> set[str]:
    status, bundle = answer
    assert status == 200, bundle
    return {e["resource"]["id"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"}


def test_each_search_of_the_statement_finds_what_has_its_values(ask: Asking, values: Values) -> None:
    tried = 0
    for kind, names in sorted(searches()):
        having = (own for own in values[kind].items() if all(name in own[1] for name in names))
        for fhir_id, own in islice(having, EACH):
            asked = [(name, own[name]) for name in names]
            assert fhir_id in ids(ask(kind, *asked, ("_count", "200"))), (kind, asked)
            form = urlencode([*asked, ("_count", "200")])
            assert fhir_id in ids(ask(f"{kind}/_search", form=form)), (kind, form)
            *others, (last, value) = asked
            either = f"{value},{value}" if is_date(kind, last) else f"none,{value}"
            assert fhir_id in ids(ask(kind, *others, (last, either), ("_count", "200"))), (kind, asked)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize("prefix", ["gt", "ge", "lt", "le"])
def test_dates_are_compared_in_each_combination(ask: Asking, values: Values, prefix: str) -> None:
    far = "1800-01-01" if prefix.startswith("g") else "2200-01-01"
    for kind, names in sorted(searches()):
        dates = {name for name in names if is_date(kind, name)}
        having = (own for own in values[kind].items() if all(name in own[1] for name in names))
        for fhir_id, own in islice(having, 1 if dates else 0):
            asked = [(n, f"{prefix}{far}" if n in dates else own[n]) for n in names]
            assert fhir_id in ids(ask(kind, *asked, ("_count", "200"))), asked


def test_what_says_where_a_record_comes_from_goes_along(ask: Asking, values: Values) -> None:
    for kind in sorted({kind for kind, _ in searches()} - NOT_SERVED):
        for fhir_id in islice(values[kind], 1):
            status, bundle = ask(kind, ("_id", fhir_id), ("_revinclude", "Provenance:target"))
            assert status == 200
            told = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Provenance"]
            assert [t["reference"] for one in told for t in one["target"]] == [f"{kind}/{fhir_id}"], kind


def test_each_record_is_read_with_the_profiles_it_had(ask: Asking, values: Values) -> None:
    claimed = 0
    for kind, own in values.items():
        for fhir_id in own:
            status, resource = ask(f"{kind}/{fhir_id}")
            assert (status, resource["id"]) == (200, fhir_id)
            claimed += any("us/core" in one for one in resource.get("meta", {}).get("profile", ()))
    assert claimed > 100

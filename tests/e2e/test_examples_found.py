"""The R4 examples as a partner's feed: each is read as it was published, and found by each value it has.

Which values those are says FHIRPath, by the published definitions of the search parameters.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from exchange.api.access import Access
from exchange.api.clients import Client, register_client
from exchange.api.fhir import answer_holder
from exchange.api.messages import Call, Refusal, refused
from exchange.api.scopes import parse_scopes
from exchange.api.service import Service
from exchange.app import Exchange, open_exchange
from exchange.app.partners.partners import new_partner
from exchange.cli.service import api_service
from exchange.crypto import new_jwk_pair
from exchange.model.records import Viewer
from exchange.pipeline.steps import run_partner
from exchange.repository import BadSearch, parameters
from exchange.settings import load_settings

pytestmark = pytest.mark.external

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parent / "shared")) / "data"
SPECIFICATION = SHARED / "fhir_r4_spec"
EACH = 4
"""Resources that are looked for by one parameter of their type."""

_OPEN = """\
pack: exchange
policies:
  - {{id: {name}, title: all is open, citation: tests, mark: ours, steward: tests, review_by: 2030-01-01,
     in_force: {{from: 2020-01-01}}, when: {{action: [{actions}]}}, effect: released}}
"""
_REFERENCE = re.compile(r'"reference": "(Patient/[A-Za-z0-9.-]+)"')
Found = list[tuple[str, str, str, list[Any]]]


def feed(folder: Path) -> Path:
    """The examples of types that are served; Patients who are referred to only, and one for all consents."""
    if not SPECIFICATION.is_dir():
        pytest.skip("the examples are not here")
    folder.mkdir()
    sent: dict[str, str] = {}
    for file in sorted((SPECIFICATION / "examples").glob("*.json")):
        resource = json.loads(file.read_bytes())
        if resource["resourceType"] in parameters():
            text = json.dumps(resource)
            if resource["resourceType"] == "Consent":
                text = re.sub(r'"Patient/[^"]+"', '"Patient/consenter"', text)
            sent[f"{resource['resourceType']}/{resource['id']}"] = text
    for reference in {r for text in sent.values() for r in _REFERENCE.findall(text)} - sent.keys():
        sent[reference] = json.dumps({"resourceType": "Patient", "id": reference.removeprefix("Patient/")})
    for reference, text in sent.items():
        (folder / f"{reference.replace('/', '-')}.json").write_text(text)
    return folder


def opened(home: Path, files: Path, database: str) -> Exchange:
    """The examples published by one partner, under a law that shows it all: what is tried is search."""
    shutil.copytree(ROOT / "mappings" / "_shared", home / "mappings" / "_shared")
    shutil.copytree(ROOT / "consent", home / "consent", ignore=shutil.ignore_patterns("policies"))
    (home / "consent" / "policies").mkdir()
    for name, actions in (("stored", "collect"), ("seen", "access, disclose")):
        policy = home / "consent" / "policies" / f"{name}.yaml"
        policy.write_text(_OPEN.format(name=name, actions=actions))
    new_partner(home / "mappings", "maple", "fhir_json", str(files), "2026-01-01", "*.json")
    partner = home / "mappings" / "maple" / "partner.yaml"
    partner.write_text(
        partner.read_text().replace("purposes: []", "roles: [organization], purposes: [TREAT]")
    )
    variables = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(home.parent / "data"),
        "EXCHANGE_DATABASE_URL": database,
    }
    exchange = open_exchange(load_settings(variables))
    maple = exchange.partners["maple"]
    assert run_partner(exchange.work, maple).status == "balanced"
    keys = {"keys": [new_jwk_pair("ES384")[1]]}
    client = Client("examples", "maple", keys, ["system/*.rs"], ["organization"], ["TREAT"])
    with exchange.work.connect() as connection:
        register_client(connection, client, maple, exchange.work.now())
        connection.commit()
    return exchange


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks as the partner that published, and tells the status and what was answered."""

    service: Service

    def __call__(self, path: str, *asked: tuple[str, str]) -> tuple[int, Any]:
        at = self.service.clock()
        viewer, scopes = Viewer("maple", "organization", "TREAT"), parse_scopes("system/*.rs")
        held = Access(viewer, "examples", scopes, "jti", at, at + timedelta(minutes=5))
        call = Call("GET", f"/fhir/{path}", urlencode(asked), {}, b"", "127.0.0.1", "request", at)
        try:
            answer = answer_holder(self.service, held, call, asked)
        except Refusal as refusal:
            answer = refused(refusal)
        except BadSearch as error:
            return 400, str(error)
        return answer.status, json.loads(answer.body)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("examples")
    exchange = opened(folder / "home", feed(folder / "files"), module_database)
    with api_service(exchange, "https://hie.example") as service:
        yield Asking(service)


@pytest.fixture(scope="module")
def published(ask: Asking) -> list[dict[str, Any]]:
    bundles = [ask(kind, ("_count", "500"))[1] for kind in parameters()]
    found = [entry["resource"] for bundle in bundles for entry in bundle.get("entry", ())]
    return [resource for resource in found if resource["resourceType"] in parameters()]


@pytest.fixture(scope="module")
def values(published: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What each resource has, by type, id and parameter."""
    folder = tmp_path_factory.mktemp("fhirpath")
    install = ["npm", "install", "--prefix", str(folder), "--silent", "fhirpath@4"]
    if not shutil.which("npm") or subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip("there is no fhirpath.js here")
    shutil.copy(Path(__file__).with_name("examples.mjs"), folder)
    (folder / "resources.json").write_text(json.dumps(published))
    (folder / "definitions.json").write_text(json.dumps(list(_definitions())))
    command = ["node", "examples.mjs", "resources.json", "definitions.json"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [tuple(one) for one in json.loads(done.stdout)]


def _definitions() -> Iterator[dict[str, Any]]:
    """The published definitions of what is served."""
    met: set[tuple[str, str]] = set()
    for name in ("search-parameters.json", "search-parameters-uscore.json"):
        for entry in json.loads((SPECIFICATION / name).read_bytes())["entry"]:
            one = entry["resource"]
            own = {(t, one["code"]) for t in one["base"] if one["code"] in parameters().get(t, {})} - met
            met |= own
            if own and one.get("expression"):
                yield {**one, "base": [kind for kind, _ in own]}


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
        codes = [(next(_token(code), None) if code else None, value) for code, value in found]
        yield from ((name, f"{code}${text}", 1) for code, value in codes if code for text in _any(value))
        return
    written = [text for value in found for text in _WRITTEN[parameter.kind](value)]
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


def _escaped(text: str) -> str:
    return re.sub(r"([\\,$|])", r"\\\1", text)


def _token(value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, str):
        yield _escaped(value)
    elif "coding" in value:
        for coding in value["coding"]:
            yield from _token(coding)
    elif isinstance(code := value.get("code", value.get("value")), str):
        yield _escaped(code)
        if "system" in value:
            yield f"{_escaped(value['system'])}|{_escaped(code)}"


def _string(value: Any) -> Iterator[str]:
    """A text, or the parts of a name or an address."""
    if isinstance(value, str):
        yield _escaped(value)
    for part in (
        "family",
        "given",
        "prefix",
        "suffix",
        "text",
        "line",
        "city",
        "state",
        "postalCode",
        "country",
    ):
        texts = value.get(part, ()) if isinstance(value, dict) else ()
        yield from map(_escaped, [texts] if isinstance(texts, str) else texts)


def _quantity(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("value"), (int, float)):
        number, unit = str(value["value"]), value.get("code") or value.get("unit")
        yield from (number, f"ge{number}", f"le{number}")
        if unit:
            yield f"{number}||{_escaped(unit)}"
        if "system" in value and "code" in value:
            yield f"{number}|{_escaped(value['system'])}|{_escaped(value['code'])}"


def _date(value: Any) -> Iterator[str]:
    if isinstance(value, str) and re.match(r"\d{4}", value):
        yield from (value, f"ge{value}", f"le{value}", f"ap{value}")
    elif isinstance(value, dict):
        yield from (f"ge{value[part]}" for part in ("start",) if part in value)
        yield from (f"le{value[part]}" for part in ("end",) if part in value)
        yield from (text for event in value.get("event", ()) for text in _date(event))


def _reference(value: Any) -> Iterator[str]:
    reference = value.get("reference", "#") if isinstance(value, dict) else "#"
    if not reference.startswith("#"):
        yield from (reference, reference.rpartition("/")[2])


def _any(value: Any) -> Iterator[str]:
    """A value of a composite, which its form tells."""
    if isinstance(value, dict):
        each = _token if {"coding", "text"} & value.keys() else _quantity if "value" in value else _date
        yield from each(value)
    elif isinstance(value, str):
        yield from _date(value) if re.match(r"\d{4}-", value) else _string(value)


_WRITTEN: dict[str, Callable[[Any], Iterator[str]]] = {
    "token": _token,
    "string": _string,
    "quantity": _quantity,
    "date": _date,
    "reference": _reference,
    "uri": lambda value: iter([value] if isinstance(value, str) else []),
}

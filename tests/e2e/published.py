"""Published examples as one partner's feed under a law that shows it all; what FHIRPath finds in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
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
from exchange.crypto import new_jwk_pair
from exchange.model.records import Viewer
from exchange.pipeline.steps import run_partner
from exchange.repository import BadSearch, parameters
from exchange.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parent / "shared")) / "data"
SPECIFICATION = SHARED / "fhir_r4_spec"
FORM = {"content-type": "application/x-www-form-urlencoded"}

_OPEN = """\
pack: exchange
policies:
  - {{id: {name}, title: all is open, citation: tests, mark: ours, steward: tests, review_by: 2030-01-01,
     in_force: {{from: 2020-01-01}}, when: {{action: [{actions}]}}, effect: released}}
"""
_REFERENCE = re.compile(r'"reference": "(Patient/[A-Za-z0-9.-]+)"')
Found = list[tuple[str, str, str, list[Any]]]
Resource = dict[str, Any]


def feed(folder: Path, resources: Sequence[Resource]) -> Path:
    """Files of those that are served; Patients who are referred to only, and one for all consents."""
    folder.mkdir()
    sent: dict[str, str] = {}
    for resource in resources:
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

    def __call__(self, path: str, *asked: tuple[str, str], form: str = "") -> tuple[int, Any]:
        """By GET, or with a `form` by POST."""
        at = self.service.clock()
        viewer, scopes = Viewer("maple", "organization", "TREAT"), parse_scopes("system/*.rs")
        held = Access(viewer, "examples", scopes, "jti", at, at + timedelta(minutes=5))
        method, headers = ("POST", FORM) if form else ("GET", {})
        call = Call(
            method, f"/fhir/{path}", urlencode(asked), headers, form.encode(), "127.0.0.1", "request", at
        )
        try:
            answer = answer_holder(self.service, held, call, asked)
        except Refusal as refusal:
            answer = refused(refusal)
        except BadSearch as error:
            return 400, str(error)
        return answer.status, json.loads(answer.body)


def everything_of(ask: Asking) -> list[Resource]:
    """What was published, as it is found."""
    bundles = [ask(kind, ("_count", "500"))[1] for kind in parameters()]
    found = [entry["resource"] for bundle in bundles for entry in bundle.get("entry", ())]
    return [resource for resource in found if resource["resourceType"] in parameters()]


def fhirpath(folder: Path, resources: Sequence[Resource]) -> Found:
    """What each resource has, by type, id and parameter; skips where fhirpath.js is not to be had."""
    install = ["npm", "install", "--prefix", str(folder), "--silent", "fhirpath@4"]
    if not shutil.which("npm") or subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip("there is no fhirpath.js here")
    shutil.copy(Path(__file__).with_name("examples.mjs"), folder)
    (folder / "resources.json").write_text(json.dumps(resources))
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

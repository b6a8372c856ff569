"""Law 6: what is published says in its Provenance which maps and which rules made it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from exchange.app import Exchange, find_partner
from exchange.cli.demo import laws
from exchange.cli.service import api_service
from exchange.model.records import Viewer
from exchange.pipeline.steps import run_partner
from exchange.repository import reader, search
from tests.pipeline.coalition import observation, patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry

CLINIC = Viewer("elm_clinic", "organization", "TREAT")
MAP = "home/mappings/_shared/maps/fhir_r4.map.yaml"
RULES = "home/consent/policies/20-hipaa.yaml"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    make_pantry(tmp_path)
    write_ndjson(tmp_path / "records/1.ndjson", [patient(1), observation(1, of=1)])
    return tmp_path / "records"


def run(folder: Path, database: str) -> Exchange:
    """The exchange opened anew, as a process of tomorrow would, after one run."""
    exchange = open_pantry(folder, database)
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    return exchange


def policies(exchange: Exchange) -> dict[str, list[str]]:
    """What the Provenance of each visible Patient and Observation names, by `Type/id`."""
    asked = [("_revinclude", "Provenance:target")]
    with api_service(exchange) as service, reader(service.pool, CLINIC) as view:
        pages = [search(view, kind, asked, "https://x.example", b"k") for kind in ("Patient", "Observation")]
    bodies = [orjson.loads(entry.body) for page in pages for entry in page.entries]
    return {b["target"][0]["reference"]: b["policy"] for b in bodies if b["resourceType"] == "Provenance"}


def digests(exchange: Exchange) -> list[str]:
    """What must be named: the maps and the rules as they are in the files now."""
    maps = exchange.work.maps(find_partner(exchange.partners, "elm_clinic"))
    return [f"urn:mosaic:mapping:{maps.digest}", f"urn:mosaic:rules:{exchange.context.rules.digest}"]


def change(path: Path) -> None:
    path.write_text(f"{path.read_text('utf-8')}# another word\n", "utf-8")


def test_what_is_published_names_the_maps_and_rules_that_made_it(records, tmp_path, database):
    exchange = run(tmp_path, database)
    named = policies(exchange)
    assert sorted(reference.split("/")[0] for reference in named) == ["Observation", "Patient"]
    assert list(named.values()) == [digests(exchange)] * 2
    assert laws._content_is_data(exchange).holds


@pytest.mark.parametrize("file", [MAP, RULES], ids=["map", "rule"])
def test_a_changed_map_or_rule_is_named_by_what_it_makes_and_not_by_what_was_made_before(
    file, records, tmp_path, database
):
    before = run(tmp_path, database)
    change(tmp_path / file)
    write_ndjson(records / "2.ndjson", [observation(2, of=1)])
    after = run(tmp_path, database)
    assert digests(before) != digests(after)
    named = sorted(map(tuple, policies(after).values()))
    assert named == sorted([tuple(digests(before))] * 2 + [tuple(digests(after))])
    assert laws._content_is_data(after).holds

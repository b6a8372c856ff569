"""What the coalition publishes: samples and a small demo population, mapped, checked and labelled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from exchange.consent import parse_rules
from exchange.content import load_partners, read_tree
from exchange.formats import Rejected, split
from exchange.mapping import load_maps, partner_organization
from exchange.mapping.golden import SHARED, shared_maps
from exchange.model.fhir import references
from exchange.model.partner import Partner
from exchange.model.records import Document
from exchange.pipeline.map import map_source
from exchange.pipeline.pull import SELF
from exchange.pipeline.safeguard import safeguard_chunk
from exchange.synthetic import generate
from exchange.synthetic.day import write_day

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "mappings"
Published = list[tuple[str, dict[str, Any]]]


def published(folder: Path, people: int) -> Published:
    """(partner, resource) of all renditions; the demo's files are written to `folder`."""
    coalition = generate(people, seed=11, today=date(2026, 11, 20))
    for day in (1, 2):
        write_day(coalition, folder, day)
    files = read_tree(MAPPINGS)
    partners = {**load_partners(files), SHARED: shared_maps(files)}
    return [found for partner in partners.values() for found in _of_partner(partner, files, folder)]


def _of_partner(
    partner: Partner, files: dict[str, str], folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    maps = load_maps(files, partner)
    rows = [_row(SELF, [partner_organization(partner)])]
    for document in (*_samples(partner), *_demo(partner, folder / "partners" / partner.code)):
        rows += [
            _row(item.feed, map_source(item, maps)[0].resources)
            for item in split(document, partner.feeds[document.feed], partner)
            if not isinstance(item, Rejected)
        ]
    for row in safeguard_chunk(rows, partner, parse_rules(read_tree(ROOT / "consent")), {}):
        for item in row["resources"]:
            yield partner.code, item["resource"]
            if item["redacted"]:
                yield partner.code, item["redacted"]["resource"]


def _row(feed: str, resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"feed": feed, "resources": list(resources), "refers": [references(r) for r in resources]}


def _samples(partner: Partner) -> Iterator[Document]:
    for path in sorted((MAPPINGS / partner.code / "samples").glob("*/*")):
        yield Document(path.parent.name, path.name, path.read_bytes())


def _demo(partner: Partner, folder: Path) -> Iterator[Document]:
    """The files of a partner's own system; a FHIR server's are its resources, one by one."""
    alone = next(iter(partner.feeds), "")
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".sqlite":
            for (body,) in sqlite3.connect(path).execute("SELECT body FROM resource"):
                yield Document(alone, "resource", body)
        elif path.suffix == ".json":
            contents = json.loads(path.read_bytes())
            yield Document(alone, path.name, json.dumps({"contents": contents}).encode())
        elif path.suffix in (".mllp", ".hl7", ".xml", ".csv") and (feed := _feed(partner, path)):
            yield Document(feed, path.name, path.read_bytes())


def _feed(partner: Partner, path: Path) -> str | None:
    """The feed that takes a file; an export has files that none asks for, such as what it was made with."""
    feeds = partner.feeds.items()
    return next((name for name, feed in feeds if feed.match is None or path.match(feed.match)), None)

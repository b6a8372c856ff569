"""The Patients and facts of the synthetic coalition as the exchange maps them, with the truth beside them."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exchange.content import load_partners
from exchange.formats import Rejected, split
from exchange.mapping import load_maps, map_record
from exchange.model.errors import RecordRejected
from exchange.model.partner import Feed, Partner
from exchange.model.records import Document, Files, Mapped
from exchange.synthetic import generate
from exchange.synthetic.day import write_day

Row = dict[str, str]


class Coalition:
    """`patients` by FHIR id in their last state, `merges` (survivor, loser), `facts` by `Type/id`."""

    def __init__(self, mappings: Files, size: int, seed: int) -> None:
        self.patients: dict[str, dict[str, Any]] = {}
        self.partners: dict[str, Partner] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self._by_id: dict[str, dict[str, Any]] = {}
        self.merges: list[tuple[str, str]] = []
        with TemporaryDirectory() as folder:
            write_day(generate(size, seed), Path(folder), 1)
            self.persons = {row["fhir_id"]: row["person"] for row in _table(folder, "persons")}
            self.duplicates = [(row["fhir_id_a"], row["fhir_id_b"]) for row in _table(folder, "duplicates")]
            for partner in load_partners(mappings).values():
                self._read(partner, mappings, Path(folder) / "partners" / partner.code)

    def resource(self, fhir_id: str) -> dict[str, Any]:
        """A fact by its id alone."""
        return self._by_id[fhir_id]

    def _read(self, partner: Partner, mappings: Files, folder: Path) -> None:
        if not folder.exists() or not partner.feeds:
            return
        maps = load_maps(mappings, partner)
        for feed, document in _documents(partner, folder):
            for record in split(document, feed, partner):
                if not isinstance(record, Rejected):
                    try:
                        self._keep(map_record(record, maps), partner)
                    except RecordRejected:
                        continue

    def _keep(self, mapped: Mapped, partner: Partner) -> None:
        for resource in mapped.resources:
            if resource["resourceType"] == "Patient":
                self.patients[resource["id"]] = resource
            else:
                self.facts[f"{resource['resourceType']}/{resource['id']}"] = resource
                self._by_id[resource["id"]] = resource
            self.partners[resource["id"]] = partner
        self.merges += [
            (merge.survivor.removeprefix("Patient/"), merge.loser.removeprefix("Patient/"))
            for merge in mapped.merges
        ]


def _table(folder: str, name: str) -> list[Row]:
    with (Path(folder) / "truth" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _documents(partner: Partner, folder: Path) -> Iterator[tuple[Feed, Document]]:
    for name, feed in partner.feeds.items():
        for payload, place in _payloads(feed, folder):
            yield feed, Document(feed=name, name=place, payload=payload)


def _payloads(feed: Feed, folder: Path) -> Iterator[tuple[bytes, str]]:
    database = folder / "records.sqlite"
    if database.exists():
        with sqlite3.connect(database) as connection:
            for kind, body in connection.execute("SELECT type, body FROM resource ORDER BY type, id"):
                yield bytes(body), kind
        return
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = path.relative_to(folder).as_posix()
        if path.suffix == ".mllp":
            for frame in path.read_bytes().split(b"\x1c\r"):
                if frame:
                    yield frame.lstrip(b"\x0b"), place
        elif fnmatch(place, feed.match):
            yield path.read_bytes(), place

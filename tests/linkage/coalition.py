"""The Patients and facts of the synthetic coalition as the exchange maps them, with the truth beside them."""

from __future__ import annotations

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exchange.content import load_partners
from exchange.formats import Rejected, split
from exchange.linkage import DuplicateRules, Edge, duplicate_key, partition
from exchange.mapping import load_maps, map_record
from exchange.model.errors import RecordRejected
from exchange.model.partner import Feed, Partner
from exchange.model.records import Document, Files, Mapped
from exchange.synthetic import generate
from exchange.synthetic.day import write_day

Row = dict[str, str]
Pair = tuple[str, str]


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
            self.unsettled = {
                r["person"] for r in _table(folder, "hazards") if r["hazard"] == "record-removed"
            }
            self.duplicates = [(row["fhir_id_a"], row["fhir_id_b"]) for row in _table(folder, "duplicates")]
            for partner in load_partners(mappings).values():
                self._read(partner, mappings, Path(folder) / "partners" / partner.code)

    def resource(self, fhir_id: str) -> dict[str, Any]:
        """A fact by its id alone."""
        return self._by_id[fhir_id]

    def fact_pairs(self, rules: DuplicateRules) -> tuple[set[Pair], set[Pair]]:
        """(found, true) pairs of facts that two partners state of one person, by id in order.

        What one partner sent under two charts of a person is one fact, too: the truth is closed over it. It
        leaves out records that will be removed; the persons who have one are left out here.
        """
        keyed: dict[tuple[str, bytes], list[str]] = defaultdict(list)
        for reference, resource in self.facts.items():
            about = resource.get("subject") or resource.get("patient") or {}
            person = self.persons.get(about.get("reference", "").removeprefix("Patient/"))
            key = duplicate_key(resource, rules)
            if key and person and person not in self.unsettled:
                keyed[person, key].append(reference.partition("/")[2])
        own = [
            Edge(a, b, "model", 1.0)
            for group in keyed.values()
            for a, b in combinations(group, 2)
            if self.partners[a].code == self.partners[b].code
        ]
        told = [Edge(*pair, "model", 1.0) for pair in self.duplicates if self._settled(pair[0])]
        fact = partition({end for edge in (*own, *told) for end in (edge.a, edge.b)}, [*own, *told], {})
        same: dict[str, list[str]] = defaultdict(list)
        for member, leader in fact.items():
            same[leader].append(member)
        return self._between_partners(keyed.values()), self._between_partners(same.values())

    def _settled(self, fhir_id: str) -> bool:
        resource = self._by_id[fhir_id]
        about = resource.get("subject") or resource["patient"]
        return self.persons.get(about["reference"].removeprefix("Patient/")) not in self.unsettled

    def _between_partners(self, groups: Iterable[list[str]]) -> set[Pair]:
        return {
            pair
            for group in groups
            for pair in combinations(sorted(group), 2)
            if self.partners[pair[0]].code != self.partners[pair[1]].code
        }

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

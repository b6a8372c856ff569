"""The coalition's ground truth, read from its files and held against what the exchange made of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from exchange.linkage import Quality, evaluate
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import doubts
from exchange.synthetic import ZONE


@dataclass(frozen=True, slots=True)
class Expected:
    """What the truth says one requester may see of one record."""

    viewer: Viewer
    type: str
    fhir_id: str
    visible: bool
    category: str


def rows(path: Path) -> Iterator[dict[str, str]]:
    """A truth file's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def identity_quality(connection: Connection, folder: Path) -> Quality:
    """Pairwise quality of who is who over all records that arrived, and of the review queue."""
    person = {row["fhir_id"]: row["person"] for row in rows(folder / "persons.csv")}
    found = dict(connection.execute("SELECT fhir_id::text, person::text FROM patient").fetchall())
    ids = dict(connection.execute("SELECT patient, fhir_id::text FROM patient").fetchall())
    return evaluate(found, person, [(ids[doubt.a], ids[doubt.b]) for doubt in doubts(connection)])


def expected_access(folder: Path, now: datetime) -> list[Expected]:
    """The sample of who may see what, without what has changed by itself before `now`."""
    today = now.astimezone(ZONE).date()
    return [
        Expected(
            Viewer(row["requester"], "organization", row["purpose"]),
            row["type"],
            row["fhir_id"],
            row["expected"] == "yes",
            row["category"],
        )
        for row in rows(folder / "access.csv")
        if not row["until"] or date.fromisoformat(row["until"]) >= today
    ]

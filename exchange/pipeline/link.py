"""Link: source Patients → persons, resources → clusters of the same fact.

Links are committed before anything is published, under one lock for all partners, so that two runs
at once never miss each other's people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from exchange.consent import Context
from exchange.linkage import DuplicateRules, Features, Model, duplicate_key, trust_rank
from exchange.model.partner import Partner
from exchange.model.records import Merge, Resource
from exchange.pipeline.conditional import known_patients, without_known
from exchange.pipeline.ledger import Connection
from exchange.repository import IncomingPatient, link_patients, mark_own_care, reprofile

Row = dict[str, Any]


def link_chunk(
    connection: Connection,
    rows: Sequence[Row],
    partner: Partner,
    model: Model,
    context: Context,
    features: Callable[[Resource], Features],
    at: datetime,
) -> None:
    """Enters the rows' Patients in the identity index; consents follow in the same transaction."""
    news = without_known(rows, known_patients(connection, rows))
    patients = incoming_patients(news, partner, features)
    merges = [
        Merge(survivor.removeprefix("Patient/"), loser.removeprefix("Patient/"))
        for row in rows
        for survivor, loser in row["merges"]
    ]
    if not patients and not merges:
        return
    result = link_patients(connection, patients, merges, model, at)
    reprofile(connection, result.changed, context, at)
    mark_own_care(connection, result.changed, context, at)


def of_people(rows: Sequence[Row]) -> list[Row]:
    """What linking reads of the rows: their Patients and merges.

    >>> [row["merges"] for row in of_people([{"resources": [], "merges": found} for found in ([], ["a"])])]
    [['a']]
    """
    found = [{**row, "resources": list(filter(_is_patient, row["resources"]))} for row in rows]
    return [row for row in found if row["resources"] or row["merges"]]


def _is_patient(item: Row) -> bool:
    return bool(item["resource"]["resourceType"] == "Patient")


def incoming_patients(
    rows: Sequence[Row], partner: Partner, features: Callable[[Resource], Features]
) -> list[IncomingPatient]:
    """The last state of each Patient in the rows, as what may be compared."""
    latest = {
        item["resource"]["id"]: item["resource"]
        for row in rows
        for item in row["resources"]
        if _is_patient(item)
    }
    return [
        IncomingPatient(
            fhir_id=fhir_id,
            partner=partner.code,
            features=features(patient),
            active=patient.get("active", True),
        )
        for fhir_id, patient in latest.items()
    ]


def with_clusters(rows: Sequence[Row], partner: Partner, duplicates: DuplicateRules) -> list[Row]:
    """The same rows, each resource with the key of the fact it states and its rank among equals."""
    return [
        {**row, "resources": [_clustered(item, partner, duplicates) for item in row["resources"]]}
        for row in rows
    ]


def _clustered(item: Row, partner: Partner, duplicates: DuplicateRules) -> Row:
    resource = item["resource"]
    key = duplicate_key(resource, duplicates)
    return {
        **item,
        "cluster": key.hex() if key else None,
        "trust": trust_rank(resource, partner, duplicates),
    }

"""Conditional creates: a record that says little of a resource must not overwrite what is known of it.

https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exchange.model.fhir import reference_to
from exchange.pipeline.ledger import Connection

Row = dict[str, Any]


def without_known(rows: Sequence[Row], known: set[str]) -> list[Row]:
    """The rows without conditional resources that are in `known` or in an earlier row.

    What was left out is named in the row's `already_known`.

    >>> person = {"resource": {"resourceType": "Patient", "id": "1"}}
    >>> row = {"resources": [person], "conditional": ["Patient/1"]}
    >>> [r["already_known"] for r in without_known([row, row], set())]
    [[], ['Patient/1']]
    """
    seen = set(known)
    result: list[Row] = []
    for row in rows:
        dropped = [reference for reference in row["conditional"] if reference in seen]
        kept = [item for item in row["resources"] if reference_to(item["resource"]) not in dropped]
        seen |= {reference_to(item["resource"]) for item in kept}
        result.append({**row, "resources": kept, "already_known": dropped})
    return result


def conditional_ids(rows: Sequence[Row], resource_type: str | None = None) -> list[tuple[str, str]]:
    """(type, id) of all conditional resources in the rows."""
    pairs = {(kind, found) for row in rows for kind, found in (r.split("/") for r in row["conditional"])}
    return sorted(pair for pair in pairs if resource_type in (None, pair[0]))


def known_patients(connection: Connection, rows: Sequence[Row]) -> set[str]:
    """`Patient/id` of conditional Patients that are in the identity index."""
    ids = [found for _, found in conditional_ids(rows, "Patient")]
    return {
        f"Patient/{row[0]}"
        for row in connection.execute(
            "SELECT fhir_id::text FROM patient WHERE fhir_id = ANY(%s::uuid[])", [ids]
        )
    }


def known_resources(connection: Connection, rows: Sequence[Row]) -> set[str]:
    """`Type/id` of conditional resources that were published, or withheld, before."""
    pairs = conditional_ids(rows)
    lists = [[kind for kind, _ in pairs], [found for _, found in pairs]]
    return {
        f"{kind}/{found}"
        for table in ("resource", "withheld")
        for kind, found in connection.execute(
            f"SELECT DISTINCT t.type, t.fhir_id::text FROM {table} t"
            " JOIN unnest(%s::text[], %s::uuid[]) AS k(type, fhir_id) USING (type, fhir_id)",
            lists,
        )
    }

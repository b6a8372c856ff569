"""What is known of resources published before, for those that refer to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import psycopg

from exchange.model.fhir import references_in
from exchange.model.records import Labels


def known_labels(conn: psycopg.Connection, references: Iterable[str]) -> Mapping[str, Labels]:
    """Labels by `Type/id` of what was published or withheld before; what has none is left out."""
    pairs = [pair for pair in map(_split, references) if pair]
    rows = conn.execute(
        "SELECT DISTINCT ON (k.type, k.fhir_id) k.type || '/' || k.fhir_id, c.confidentiality, c.labels"
        " FROM unnest(%s::text[], %s::uuid[]) AS k (type, fhir_id)"
        # LATERAL: each is looked up, whatever the planner believes of so few among so many.
        " CROSS JOIN LATERAL (SELECT class FROM resource"
        "  WHERE (type, fhir_id, rendition) = (k.type, k.fhir_id, 0)"
        "  UNION ALL SELECT class FROM withheld WHERE (type, fhir_id) = (k.type, k.fhir_id)) AS r"
        " JOIN disclosure_class c USING (class) WHERE c.labels <> '{}'",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {
        reference: Labels(confidentiality, frozenset(codes)) for reference, confidentiality, codes in rows
    }


def references_of_stored(conn: psycopg.Connection, references: Iterable[str]) -> set[str]:
    """All to which these (`Type/id`) refer as they are stored now."""
    pairs = [pair for pair in map(_split, references) if pair]
    rows = conn.execute(
        "SELECT r.body FROM unnest(%s::text[], %s::uuid[]) AS k (type, fhir_id)"
        # OFFSET 0: each is looked up, whatever the planner believes of so many among so few.
        " CROSS JOIN LATERAL (SELECT body FROM resource"
        "  WHERE (type, fhir_id, rendition) = (k.type, k.fhir_id, 0) OFFSET 0) AS r",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {reference for (body,) in rows for reference in references_in(body)}


def _split(reference: str) -> tuple[str, UUID] | None:
    kind, _, fhir_id = reference.partition("/")
    try:
        return kind, UUID(fhir_id)
    except ValueError:
        return None

"""What the labels of a record of a person rest on: programs, codes, words and what it refers to."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from exchange.app.opening import Exchange
from exchange.app.records.journey import journey_of
from exchange.model.records import Evidence


@dataclass(frozen=True, slots=True)
class Shown:
    """A record's labels; `unexplained` are those that what came with it does not tell.

    They came over a reference from another record, or from a map or list that says otherwise now.
    """

    source: str
    labels: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    unexplained: tuple[str, ...]


def evidence_of(exchange: Exchange, person: str, reference: str) -> Shown | None:
    """Labels the record once more as it came, beside what it is labelled with; None: not of this person."""
    kind, _, fhir_id = reference.partition("/")
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT r.record, r.partner, c.labels FROM resource r JOIN disclosure_class c USING (class)"
            " JOIN patient p USING (patient)"
            " WHERE p.person = %s AND r.type = %s AND r.fhir_id = %s AND r.rendition = 0",
            [UUID(person), kind, UUID(fhir_id)],
        ).fetchone()
    if row is None:
        return None
    record, source, labels = row
    journey = journey_of(exchange, record)
    found = [
        Evidence(**one)
        for resource, each in zip(journey.resources, journey.labels, strict=True)
        if (resource["resourceType"], resource.get("id")) == (kind, fhir_id)
        for one in each["evidence"]
    ]
    told = exchange.context.rules.vocabulary.reveals
    known = {one.label for one in found} | {told[one.label] for one in found if one.label in told}
    return Shown(source, tuple(labels), tuple(found), tuple(one for one in labels if one not in known))

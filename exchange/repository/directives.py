"""Consents as they arrive: stored in normal form, even when the repository may not hold the resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from exchange.consent import Context, Directive, directive
from exchange.model.records import Resource
from exchange.model.terms import SYSTEMS

Resolve = Callable[[dict[str, Any]], str | None]
Identifier = tuple[str, str]

PARTICIPANT_SYSTEM = "urn:mosaic:partner"


def to_directive(consent: Resource, resolve: Resolve, partner: str) -> Directive:
    """The normal form of what `partner` sent; raises RecordRejected when the consent is not computable."""
    return directive(consent, resolve=resolve, recorded_by=partner)


def store_directives(
    conn: psycopg.Connection, directives: Sequence[tuple[Directive, int, str, datetime | None]]
) -> set[int]:
    """Stores (directive, patient, partner, event time); returns the patients for whom something changed.

    A directive that is older than the stored one of the same Consent changes nothing.
    """
    changed: set[int] = set()
    for found, patient, partner, event_time in directives:
        row = conn.execute(
            "INSERT INTO directive (consent, patient, partner, event_time, body) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (consent) DO UPDATE SET patient = excluded.patient, partner = excluded.partner,"
            "  event_time = excluded.event_time, body = excluded.body"
            " WHERE (directive.event_time > excluded.event_time) IS NOT TRUE"
            "  AND (directive.patient, directive.body) IS DISTINCT FROM (excluded.patient, excluded.body)"
            " RETURNING patient",
            (found.consent, patient, partner, event_time, orjson.dumps(found.to_json()).decode()),
        ).fetchone()
        if row:
            changed.add(patient)
    return changed


def drop_directives(conn: psycopg.Connection, consents: Sequence[UUID]) -> set[int]:
    """Forgets the directives of deleted Consents; returns the patients concerned."""
    rows = conn.execute("DELETE FROM directive WHERE consent = ANY(%s) RETURNING patient", (list(consents),))
    return {row[0] for row in rows.fetchall()}


def resolver(
    conn: psycopg.Connection, consents: Sequence[Resource], batch: Iterable[Resource], context: Context
) -> Resolve:
    """Tells the participant a reference means: by its identifier, or by those of the Organization it names.

    An identifier is the participant's code under urn:mosaic:partner, or its NPI.
    """
    wanted = {r.removeprefix("Organization/") for c in consents for r in _organizations(c)}
    known = {o["id"]: _identifiers(o) for o in batch if o["resourceType"] == "Organization"}
    stored = conn.execute(
        "SELECT fhir_id::text, body FROM resource"
        " WHERE type = 'Organization' AND rendition = 0 AND fhir_id = ANY(%s)",
        (_uuids(wanted - known.keys()),),
    ).fetchall()
    known |= {fhir_id: _identifiers(orjson.loads(body)) for fhir_id, body in stored}
    participants = _by_identifier(context)

    def resolve(reference: dict[str, Any]) -> str | None:
        identifier = reference.get("identifier", {})
        own = [(identifier.get("system", ""), identifier.get("value", ""))]
        target = known.get(str(reference.get("reference", "")).removeprefix("Organization/"), [])
        found = {participants[i] for i in (*own, *target) if i in participants}
        return found.pop() if len(found) == 1 else None

    return resolve


def _by_identifier(context: Context) -> dict[Identifier, str]:
    found = {(PARTICIPANT_SYSTEM, code): code for code in context.participants}
    for participant in context.participants.values():
        if participant.npi:
            found[SYSTEMS["npi"], participant.npi] = participant.code
    return found


def _identifiers(organization: Resource) -> list[Identifier]:
    return [(i.get("system", ""), i.get("value", "")) for i in organization.get("identifier", ())]


def _organizations(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str) and reference.startswith("Organization/"):
            yield reference
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _organizations(item)


def _uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found

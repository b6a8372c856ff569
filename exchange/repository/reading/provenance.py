"""Provenance of a visible resource, derived when it is read: who sent it, under which mapping and rules.

The partner asserted it (author); the exchange made FHIR of it (assembler) and hands it on (transmitter). The
raw record's hash is told by `exchange map explain` alone: it changes with what else the record holds, which
a requester may not see. Its id is that of its target: ids are unique across types.
https://hl7.org/fhir/R4/provenance.html (docs/decisions/0135-no-record-in-provenance.md)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from exchange.repository.reading.reader import BEST_RENDITION, Reader, select
from exchange.repository.reading.view import Served
from exchange.repository.storage.moments import instant, named, stored_name

_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_US_CORE_AGENTS = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
_PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-provenance"


def provenance_of(reader: Reader, resources: Sequence[Served]) -> list[Served]:
    """One Provenance for each resource, in their order."""
    ids = [UUID(r.id) for r in resources] + [
        c.fhir_id for r in resources if r.person and r.type == "Patient" for c in r.person.contributions
    ]
    rows = select(
        reader,
        "SELECT r.type, r.fhir_id::text, r.partner, r.mapping_digest, r.rules_digest FROM resource r"
        f" WHERE r.type = ANY(%s) AND r.fhir_id = ANY(%s) AND {BEST_RENDITION}",
        (sorted({r.type for r in resources}), ids),
    )
    origins = {(kind, fhir_id): origin for kind, fhir_id, *origin in rows}
    return [_provenance(r, [origins[key] for key in _sources(r) if key in origins]) for r in resources]


def _sources(resource: Served) -> list[tuple[str, str]]:
    """The stored resources that a served one was made from."""
    if resource.type == "Patient" and resource.person and resource.id == str(resource.person.golden_id):
        return [("Patient", str(c.fhir_id)) for c in resource.person.contributions]
    return [(resource.type, resource.id)]


def _provenance(target: Served, origins: Sequence[Sequence[str]]) -> Served:
    partners = sorted({partner for partner, _, _ in origins})
    policies = sorted(
        {f"urn:mosaic:mapping:{mapping}" for _, mapping, _ in origins}
        | {f"urn:mosaic:rules:{rules}" for _, _, rules in origins}
    )
    stored = stored_name(target.version)
    body: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": target.id,
        "meta": {"versionId": stored, "lastUpdated": instant(target.updated), "profile": [_PROFILE]},
        "target": [{"reference": f"{target.type}/{target.id}"}],
        "recorded": instant(target.updated),
        "policy": policies,
        "agent": [*(_author(partner) for partner in partners), _ASSEMBLER, _TRANSMITTER],
    }
    version, told = named(orjson.dumps(body), stored)
    return Served(
        type="Provenance",
        id=target.id,
        body=told,
        version=version,
        updated=target.updated,
        partners=tuple(partners),
        person=target.person,
        source_patient=target.source_patient,
        classes=target.classes,
    )


def _author(partner: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _AGENTS, "code": "author"}]},
        "who": {"identifier": {"system": "urn:mosaic:partner", "value": partner}},
    }


_EXCHANGE = {
    "identifier": {"system": "urn:mosaic:partner", "value": "exchange"},
    "display": "Mosaic Exchange",
}
_ASSEMBLER = {"type": {"coding": [{"system": _AGENTS, "code": "assembler"}]}, "who": _EXCHANGE}
_TRANSMITTER = {"type": {"coding": [{"system": _US_CORE_AGENTS, "code": "transmitter"}]}, "who": _EXCHANGE}

"""References that lead to what a viewer is shown: to the golden Patient, and of duplicates to the best one.

For a copy that holds nothing else. Here a source's Patient and a duplicate answer under their own ids too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import orjson

from exchange.repository.reading.persons import persons_of
from exchange.repository.reading.reader import BEST_RENDITION, Reader, better_in_cluster, select
from exchange.repository.reading.view import Served
from exchange.repository.storage.moments import renamed

Leads = Mapping[str, str]
"""`Type/id` of what the viewer sees and is shown as another, with the `Type/id` of that other."""

_REFERENCE = re.compile(
    rb'"reference":"([A-Z][A-Za-z]+/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/_history/[^"]*)?"'
)


def leads_of(reader: Reader, resources: Iterable[Served]) -> Leads:
    """Of everything that the resources refer to."""
    names = {found.decode() for one in resources for found in _REFERENCE.findall(one.body)}
    return _golden(reader, names) | _best(reader, names)


def led(resource: Served, leads: Leads) -> Served:
    """The resource as it refers within a copy; a golden Patient without links to what it was made from."""
    body = _unlinked(resource.body) if resource.type == "Patient" else resource.body

    def followed(found: re.Match[bytes]) -> bytes:
        to = leads.get(found[1].decode())
        return b'"reference":"' + to.encode() + b'"' if to else found[0]

    version, body = renamed(_REFERENCE.sub(followed, body))
    return replace(resource, version=version or resource.version, body=body)


def _unlinked(body: bytes) -> bytes:
    return orjson.dumps({name: value for name, value in orjson.loads(body).items() if name != "link"})


def _golden(reader: Reader, names: Collection[str]) -> dict[str, str]:
    ids = [UUID(key) for kind, key in _parts(names) if kind == "Patient"]
    rows = select(reader, "SELECT patient, fhir_id::text FROM patient WHERE fhir_id = ANY(%s)", (ids,))
    people = persons_of(reader, [patient for patient, _ in rows])
    return {
        f"Patient/{fhir_id}": f"Patient/{people[patient].golden_id}"
        for patient, fhir_id in rows
        if patient in people
    }


# Who is linked with the best need not be linked with the second best: what is found is asked about again.
_BETTER = f"""
SELECT r.type, r.fhir_id::text, (
    SELECT b.fhir_id::text {better_in_cluster("r", "b")}
    ORDER BY b.rendition, b.rank, b.fhir_id LIMIT 1
)
FROM unnest(%s::text[], %s::uuid[]) AS n (type, fhir_id)
JOIN resource r ON (r.type, r.fhir_id) = (n.type, n.fhir_id)
WHERE r.cluster IS NOT NULL AND {BEST_RENDITION}
"""


def _best(reader: Reader, names: Collection[str]) -> dict[str, str]:
    """Those that a better member of their cluster hides from this viewer, with the best."""
    better: dict[str, str] = {}
    asked = {name for name in names if not name.startswith("Patient/")}
    while asked:
        parts = _parts(asked)
        rows = select(reader, _BETTER, ([kind for kind, _ in parts], [UUID(key) for _, key in parts]))
        found = {f"{kind}/{key}": f"{kind}/{best}" for kind, key, best in rows if best}
        better |= found
        asked = set(found.values()) - better.keys()
    return {name: _last(name, better) for name in better}


def _last(name: str, better: Mapping[str, str]) -> str:
    while name in better:
        name = better[name]
    return name


def _parts(names: Collection[str]) -> list[tuple[str, str]]:
    return [(kind, key) for kind, _, key in (name.partition("/") for name in sorted(names))]

"""What a consent may ask about a record that is not written in it: what refers to it, and who wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import orjson
import psycopg

from exchange.consent import Profile, Surroundings
from exchange.consent.directives.matching import by_author, meant, references_in
from exchange.model.records import Resource
from exchange.repository.storage.index import UNNAMED


def surroundings(
    conn: psycopg.Connection,
    profiles: Iterable[Profile],
    about: Collection[str],
    batch: Mapping[str, Resource],
    reading: str,
) -> Surroundings:
    """Looks up only what these profiles ask of the records `about` (`Type/id`); `batch` is being stored."""
    chosen = [one for one in profiles if one.groups]
    wanted = frozenset().union(*(meant(one) for one in chosen))
    bodies = {**_stored(conn, wanted - batch.keys()), **{name: batch[name] for name in wanted & batch.keys()}}
    referred = {name: references_in(body) for name, body in bodies.items()}
    agents = _agents(conn, about, batch) if any(by_author(one) for one in chosen) else {}
    return Surroundings(referred.get, agents.get, "recorded" if reading == "recorded" else "clinical")


ASKING = """
SELECT same.patient FROM directive d JOIN patient p USING (patient) JOIN patient same USING (person)
WHERE jsonb_path_query_array(d.body, '$.**.data[*][1]') ?| %(names)s
UNION
SELECT r.patient FROM unnest(%(types)s::text[], %(ids)s::uuid[]) AS target (type, fhir_id)
JOIN resource r USING (type, fhir_id) WHERE r.patient IS NOT NULL
"""


def who_may_ask(conn: psycopg.Connection, resources: Sequence[Resource]) -> set[int]:
    """Patients, by number, whose consents name one of these, or of whom a Provenance among them has a record.

    Neither need come with a record of theirs: a Provenance is about nobody.
    """
    written = [one for one in resources if one["resourceType"] == "Provenance"]
    targets = {name for one in written for name in references_in(one.get("target"))}
    pairs = [pair for pair in map(_split, sorted(targets)) if pair]
    rows = conn.execute(
        ASKING,
        {
            "names": [f"{one['resourceType']}/{one['id']}" for one in resources],
            "types": [kind for kind, _ in pairs],
            "ids": [fhir_id for _, fhir_id in pairs],
        },
    ).fetchall()
    return {row[0] for row in rows}


def asked_about(profiles: Mapping[int, Profile], resources: Iterable[Resource]) -> set[int]:
    """Patients, by number, whose profile matches other records by what one of these says."""
    if not any(profile.groups for profile in profiles.values()):
        return set()
    names = {f"{resource['resourceType']}/{resource['id']}" for resource in resources}
    has_author = any(name.startswith("Provenance/") for name in names)
    return {
        patient
        for patient, profile in profiles.items()
        if profile.groups and ((has_author and by_author(profile)) or not names.isdisjoint(meant(profile)))
    }


def _stored(conn: psycopg.Connection, names: Iterable[str]) -> dict[str, Resource]:
    pairs = [pair for pair in map(_split, names) if pair]
    rows = conn.execute(
        "SELECT r.type || '/' || r.fhir_id, r.body FROM resource r"
        " JOIN unnest(%s::text[], %s::uuid[]) AS k (type, fhir_id)"
        " ON (r.type, r.fhir_id) = (k.type, k.fhir_id) WHERE r.rendition = 0",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {name: orjson.loads(body) for name, body in rows}


# No search parameter finds what a Provenance refers to, so these references are unnamed. Of records from
# before the index had them, what they say is looked through; that there are none, the first condition says.
_PROVENANCE = f"""
SELECT r.body FROM unnest(%(ids)s::uuid[]) AS n (fhir_id)
-- OFFSET 0: one after the other along the indexes, however many there are.
CROSS JOIN LATERAL (
    SELECT rid FROM index_reference WHERE target = n.fhir_id AND param = {UNNAMED} OFFSET 0) AS x
CROSS JOIN LATERAL (SELECT type, rendition, body FROM resource WHERE rid = x.rid OFFSET 0) AS r
WHERE r.type = 'Provenance' AND r.rendition = 0
UNION
SELECT body FROM resource
WHERE (SELECT since FROM reference_told) > 1 AND rid < (SELECT since FROM reference_told)
  AND type = 'Provenance' AND rendition = 0
  AND EXISTS (SELECT FROM unnest(%(names)s::bytea[]) AS name WHERE position(name IN body) > 0)
"""


def _agents(
    conn: psycopg.Connection, about: Collection[str], batch: Mapping[str, Resource]
) -> dict[str, set[str]]:
    """Whom Provenance names as agents, by the `Type/id` of its target."""
    pairs = [pair for pair in map(_split, about) if pair]
    rows = conn.execute(
        _PROVENANCE, {"ids": [fhir_id for _, fhir_id in pairs], "names": [name.encode() for name in about]}
    ).fetchall()
    told = [orjson.loads(row[0]) for row in rows]
    told += [one for one in batch.values() if one["resourceType"] == "Provenance"]
    found: dict[str, set[str]] = {}
    for one in told:
        for target in references_in(one.get("target")):
            found.setdefault(target, set()).update(references_in(one.get("agent")))
    return found


def _split(reference: str) -> tuple[str, UUID] | None:
    kind, _, fhir_id = reference.partition("/")
    try:
        return kind, UUID(fhir_id)
    except ValueError:
        return None

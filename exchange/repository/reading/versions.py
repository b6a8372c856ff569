"""Versions of records as one viewer may see them: past, present, and that there is none any more.

A record's versions are those of its best visible rendition; an old one is shown to those who may see it, the
record of today, of a deleted record the tombstone, and all that was between (144_unbroken_in_one_pass.sql).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.reader import Reader, Shown, select, shown
from exchange.repository.reading.view import Served, compose_golden, contribution, serve
from exchange.repository.storage.moments import version_id


class Version(NamedTuple):
    """One version of a stored record; the body of a deleted one is empty."""

    row: Shown
    deleted: bool

    @property
    def position(self) -> tuple[datetime, UUID]:
        """Where it stands in a history, which goes from the newest to the oldest."""
        return self.row.updated, self.row.fhir_id


VERSIONS = """
SELECT v.rid, v.type, v.fhir_id, v.rendition, v.patient, v.class, v.updated, coalesce(v.body, ''), v.deleted
FROM (
    SELECT h.type, h.fhir_id, h.rendition, h.patient, h.class, h.updated, h.body,
        h.deleted, h.gone, 0::bigint AS rid
    FROM resource_history h
    UNION ALL
    SELECT r.type, r.fhir_id, r.rendition, r.patient, r.class, r.updated, r.body,
        false, false, r.rid
    FROM resource r
) v
WHERE {where} AND CASE WHEN v.gone THEN
    EXISTS (
        SELECT FROM resource_history e WHERE e.ending
        AND (e.type, e.fhir_id, e.rendition) = (v.type, v.fhir_id, v.rendition)
    ) AND NOT EXISTS (
        SELECT FROM resource_history b WHERE b.ending
        AND (b.type, b.fhir_id) = (v.type, v.fhir_id) AND b.rendition < v.rendition
    )
ELSE
    NOT EXISTS (
        SELECT FROM resource b
        WHERE (b.type, b.fhir_id) = (v.type, v.fhir_id) AND b.rendition < v.rendition
    )
END
ORDER BY v.updated DESC, v.fhir_id DESC LIMIT {limit}
"""
_ALL = 100_000


def versions(reader: Reader, where: str, arguments: Arguments, limit: int = _ALL) -> list[Version]:
    """Visible versions `v` for which an SQL condition holds, the newest first."""
    statement = VERSIONS.format(where=where, limit=arguments.add(limit))
    found = select(reader, statement, arguments.values)
    # What is no row of today gets a number that no row has: bodies are told apart by it.
    rows = [(row[0] or -number, *row[1:-1]) for number, row in enumerate(found, 1)]
    return [Version(row, whole[-1]) for row, whole in zip(shown(reader, rows), found, strict=True)]


def versions_of(reader: Reader, resource_type: str, ids: Sequence[UUID]) -> list[Version]:
    """Every visible version of the records named by these ids."""
    arguments = Arguments()
    where = f"v.type = {arguments.add(resource_type)} AND v.fhir_id = ANY({arguments.add(list(ids))})"
    return versions(reader, where, arguments)


def served_versions(reader: Reader, found: Sequence[Version]) -> list[Served]:
    """Versions as they are told; of a Patient who is still there the golden one as it was at that moment."""
    patients = [v for v in found if v.row.type == "Patient" and not v.deleted]
    people = persons_of(reader, (v.row.patient for v in patients))
    ids = {c.fhir_id for person in people.values() for c in person.contributions}
    past = versions_of(reader, "Patient", sorted(ids)) if patients else []
    others = serve(reader, [v.row for v in found if v.row.type != "Patient" and not v.deleted])
    plain = {served.rids[0]: served for served in others}
    return [s for v in found if (s := _as_told(v, people, past, plain)) is not None]


def _as_told(
    version: Version, people: Mapping[int, Person], past: Sequence[Version], plain: Mapping[int, Served]
) -> Served | None:
    row = version.row
    if version.deleted:
        return tombstone(version)
    if row.type != "Patient":
        return plain.get(row.rid)
    person = people.get(row.patient) if row.patient is not None else None
    return golden_at(person, version, past) if person else None


def golden_at(person: Person, version: Version, past: Sequence[Version]) -> Served:
    """The golden Patient composed of what each contribution said when this version of one of them came."""
    own = {c.fhir_id for c in person.contributions}
    rows: dict[UUID, Any] = {}
    for earlier in reversed(past):  # the oldest first
        if earlier.row.fhir_id in own and not earlier.deleted and earlier.position <= version.position:
            rows[earlier.row.fhir_id] = earlier.row
    return compose_golden(person, rows)


def tombstone(version: Version) -> Served:
    """That a record was deleted, with nothing of what it said."""
    row = version.row
    return Served(
        type=row.type,
        id=str(row.fhir_id),
        body=b"",
        version=version_id(row.updated),
        updated=row.updated,
        partners=(),
        person=None,
        classes=frozenset((row.class_,)),
    )


def contribution_versions(reader: Reader, found: Sequence[Version]) -> list[Served]:
    """Versions of a source's own Patient, under the id the source gave it."""
    people = persons_of(reader, (v.row.patient for v in found))
    told: list[Served] = []
    for version in found:
        person = people.get(version.row.patient) if version.row.patient is not None else None
        if version.deleted:
            told.append(tombstone(version))
        elif person is not None:
            told.append(contribution(reader, version.row, person))
    return told

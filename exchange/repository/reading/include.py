"""`_include` and `_revinclude`: what the matches of a page refer to, and what refers to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.provenance import provenance_of
from exchange.repository.reading.query import PATIENT_PARAMETERS, Include, Query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, Reader, Shown, fetch, select
from exchange.repository.reading.view import Served, golden_patients, serve
from exchange.repository.storage.parameters import parameters


def included(reader: Reader, query: Query, matches: Sequence[Served], rows: Sequence[Shown]) -> list[Served]:
    """Included resources, each once and none that is a match; `rows` are those the matches were made from."""
    found: dict[tuple[str, str], Served] = {}
    for include in query.includes:
        for resource in _each(reader, query, include, matches, rows):
            found[resource.type, resource.id] = resource
    for match in matches:
        found.pop((match.type, match.id), None)
    return [found[key] for key in sorted(found)]


def _each(
    reader: Reader, query: Query, include: Include, matches: Sequence[Served], rows: Sequence[Shown]
) -> Iterable[Served]:
    if include.reverse and include.source == "Provenance":
        return provenance_of(reader, matches)
    if include.reverse:
        return _referring(reader, include, query.type, matches)
    if include.source != query.type:
        return ()
    if include.parameter in PATIENT_PARAMETERS:
        return golden_patients(reader, distinct(m.person for m in matches if m.person))
    return referred(reader, include, rows)


def referred(reader: Reader, include: Include | None, rows: Sequence[Shown]) -> list[Served]:
    """What the rows refer to: by one parameter, or by any and about nobody when none is given."""
    found = parameters()[include.source][include.parameter].key if include else None
    targets = select(
        reader,
        "SELECT DISTINCT target FROM index_reference WHERE rid = ANY(%s) AND (%s::int IS NULL OR param = %s)",
        ([row.rid for row in rows], found, found),
    )
    condition = "r.fhir_id = ANY(%(ids)s) AND r.type = ANY(%(types)s)"
    types = [include.target] if include and include.target else sorted(parameters())
    if include is None:
        condition += " AND r.patient IS NULL"
    return _whole(reader, fetch(reader, condition, {"ids": [row[0] for row in targets], "types": types}))


def _referring(reader: Reader, include: Include, searched: str, matches: Sequence[Served]) -> list[Served]:
    if include.parameter in PATIENT_PARAMETERS:
        patients = [p for m in matches if m.person and searched == "Patient" for p in m.person.patients]
        condition = f"r.type = %(type)s AND r.patient = ANY(%(patients)s) AND {BEST_OF_CLUSTER}"
        return serve(reader, fetch(reader, condition, {"type": include.source, "patients": patients}))
    condition = (
        "r.type = %(type)s AND EXISTS (SELECT FROM index_reference x WHERE x.rid = r.rid"
        f" AND x.param = %(param)s AND x.target = ANY(%(ids)s::uuid[])) AND {BEST_OF_CLUSTER}"
    )
    param = parameters()[include.source][include.parameter].key
    arguments = {"type": include.source, "param": param, "ids": [m.id for m in matches]}
    return serve(reader, fetch(reader, condition, arguments))


def _whole(reader: Reader, rows: Sequence[Shown]) -> list[Served]:
    """Rows as served, a source's Patient giving way to the golden one."""
    people = persons_of(reader, (row.patient for row in rows if row.type == "Patient"))
    others = serve(reader, [row for row in rows if row.type != "Patient"])
    return [*golden_patients(reader, distinct(people.values())), *others]


def distinct(persons: Iterable[Person]) -> list[Person]:
    """Each person once, in order of golden id."""
    return [person for _, person in sorted({p.golden_id: p for p in persons}.items())]

"""`_include` and `_revinclude`: what the matches of a page refer to, and what refers to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exchange.repository.reading.members import other_members
from exchange.repository.reading.persons import distinct, persons_of
from exchange.repository.reading.provenance import provenance_of
from exchange.repository.reading.query import ANY, Include, Query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, Reader, Shown, fetch, select
from exchange.repository.reading.syntax import BadSearch
from exchange.repository.reading.view import Served, golden_patients, serve
from exchange.repository.storage.index import UNNAMED
from exchange.repository.storage.parameters import parameters

_MOST_WAVES = 6

MOST = 10_000
"""So many resources at most are included in one page: they are all held at once."""

# By whom it is about or by what refers to it, each along its index: with an OR the whole type would be read.
WHAT_REFERS = f"""
r.type = %(type)s AND r.rid IN (
    SELECT o.rid FROM resource o WHERE o.type = %(type)s AND o.patient = ANY(%(patients)s::int[])
    UNION
    SELECT x.rid FROM index_reference x WHERE x.param = ANY(%(params)s) AND x.target = ANY(%(ids)s::uuid[])
) AND {BEST_OF_CLUSTER}
"""


def included(reader: Reader, query: Query, matches: Sequence[Served]) -> list[Served]:
    """Included resources, each once and none that is a match; some iterate over what was found.

    Raises BadSearch for more than fit in a page.
    """
    known = {(match.type, match.id) for match in matches}
    found: dict[tuple[str, str], Served] = {}
    wave, includes = list(matches), query.includes
    for _ in range(_MOST_WAVES):
        new = {
            (resource.type, resource.id): resource
            for include in includes
            for resource in _each(reader, include, wave)
        }
        fresh = sorted(new.keys() - known - found.keys())
        _refuse_more(len(found) + len(fresh))
        found |= {key: new[key] for key in fresh}
        wave, includes = [new[key] for key in fresh], tuple(i for i in includes if i.iterate)
        if not wave or not includes:
            break
    return [found[key] for key in sorted(found)]


def _each(reader: Reader, include: Include, wave: Sequence[Served]) -> Iterable[Served]:
    if include.reverse and include.source == "Provenance":
        return provenance_of(reader, wave)
    if include.reverse:
        return _referring(reader, include, wave)
    own = [resource for resource in wave if include.source in (ANY, resource.type)]
    people = distinct(r.person for r in own if r.person and r.type != "Patient")
    if include.parameter == ANY:
        return [*golden_patients(reader, people), *referred(reader, None, own)]
    if include.of_subject:
        told = golden_patients(reader, people) if include.target in ("", "Patient") else []
        others = [r for r in own if r.person is None and r.source_patient is None]
        return [*told, *(referred(reader, include, others) if others else ())]
    return referred(reader, include, own)


def referred(
    reader: Reader, include: Include | None, resources: Sequence[Served], about_nobody: bool = False
) -> list[Served]:
    """What the resources refer to: by one parameter, or by any; `about_nobody`: only what is."""
    found = parameters()[include.source][include.parameter].key if include else None
    targets = select(
        reader,
        "SELECT DISTINCT target FROM index_reference WHERE rid = ANY(%s)"
        " AND CASE WHEN %s::int IS NULL THEN param <> %s ELSE param = %s END",
        ([rid for resource in resources for rid in resource.rids], found, UNNAMED, found),
    )
    condition = "r.fhir_id = ANY(%(ids)s) AND r.type = ANY(%(types)s)"
    types = [include.target] if include and include.target else sorted(parameters())
    if about_nobody:
        condition += " AND r.patient IS NULL"
    return _whole(reader, fetch(reader, condition, {"ids": [row[0] for row in targets], "types": types}))


def _referring(reader: Reader, include: Include, wave: Sequence[Served]) -> list[Served]:
    if include.target:
        wave = [resource for resource in wave if resource.type == include.target]
    patients = [n for r in wave if r.person and r.type == "Patient" for n in r.person.patients]
    ids = [c.fhir_id for r in wave if r.person and r.type == "Patient" for c in r.person.contributions]
    records = [(r.type, r.id) for r in wave if r.type != "Patient"]
    own = parameters()[include.source]
    params = [p.key for p in own.values() if p.kind == "reference" and include.parameter in (ANY, p.name)]
    of_subject = include.parameter == ANY or include.of_subject
    arguments = {
        "type": include.source,
        "patients": patients if of_subject else [],
        "params": params,
        "ids": [*map(str, ids), *(r.id for r in wave), *other_members(reader, records)],
    }
    rows = fetch(reader, WHAT_REFERS, arguments, MOST + 1)
    _refuse_more(len(rows))  # here, too: of those left out by the limit nobody would know
    return _whole(reader, rows)


def _refuse_more(number: int) -> None:
    if number > MOST:
        raise BadSearch(f"more than {MOST} resources would be included; ask for smaller pages by _count")


def _whole(reader: Reader, rows: Sequence[Shown]) -> list[Served]:
    """Rows as served, a source's Patient giving way to the golden one."""
    people = persons_of(reader, (row.patient for row in rows if row.type == "Patient"))
    others = serve(reader, [row for row in rows if row.type != "Patient"])
    return [*golden_patients(reader, distinct(people.values())), *others]

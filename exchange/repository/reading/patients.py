"""Search for Patients: golden ones, found by what any contribution visible to the viewer says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from exchange.repository.reading.conditions import Arguments, all_of, condition, ids_of, matches_instant
from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.include import distinct, included
from exchange.repository.reading.page import Around, Page, make_page, next_page
from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import BEST_RENDITION, Reader, fetch, select
from exchange.repository.reading.view import Served, golden_patients, still_shown

Position = tuple[str, str]
"""Sort value and golden id, comparable as text."""


def search_patients(reader: Reader, query: Query, base_url: str, key: bytes) -> Page:
    """One page of golden Patients; all of the criteria must hold for one and the same contribution."""
    persons = _found(reader, query)
    total = len(persons) if query.total or query.summary == "count" else None
    if query.summary == "count" or query.count == 0:
        return make_page(reader, base_url, [], Around(total, unknown=query.unknown), query)
    ahead = _after(reader, query, persons, key)
    page, more = ahead[: query.count], len(ahead) > query.count
    if total is None and not more and query.cursor is None:
        total = len(page)
    matches = golden_patients(reader, [person for _, person in page])
    others = _included(reader, query, matches, [person for _, person in page])
    next_url = None
    if more:
        token = write_cursor(page[-1][0], reader.viewer, _bound(query), key)
        next_url = next_page(base_url, "Patient", query.asked, token)
    return make_page(
        reader,
        base_url,
        [*(("match", s) for s in matches), *(("include", s) for s in others)],
        Around(total, next_url, query.unknown),
        query,
    )


def _found(reader: Reader, query: Query) -> list[tuple[Position, Person]]:
    """Everybody who matches, in order."""
    arguments = Arguments()
    conditions = ["r.type = 'Patient'", BEST_RENDITION]
    conditions += [condition(criterion, arguments, None) for criterion in query.criteria]
    conditions += [_named(ids_of(values), arguments) for values in query.ids]
    rows = select(reader, f"SELECT r.patient FROM resource r WHERE {all_of(conditions)}", arguments.values)
    people = distinct(persons_of(reader, (row[0] for row in rows)).values())
    updated: dict[UUID, datetime] = {}
    if query.updated or query.sort == "_lastUpdated":
        times = _times(reader, people)
        people = still_shown(people, times.keys())
        updated = {p.golden_id: max(times[c.fhir_id] for c in p.contributions) for p in people}
    chosen = [
        p
        for p in people
        if all(any(matches_instant(updated[p.golden_id], v) for v in values) for values in query.updated)
    ]
    placed = [((_sort_value(query, p, updated), str(p.golden_id)), p) for p in chosen]
    placed.sort(key=lambda entry: entry[0][1])
    if query.sort == "_id":
        return placed[::-1] if query.descending else placed
    return sorted(placed, key=lambda entry: entry[0][0], reverse=query.descending)


def _named(ids: Sequence[UUID], arguments: Arguments) -> str:
    """SQL for `_id`: contributions of the people known by these golden ids."""
    return (
        "r.patient IN (WITH RECURSIVE reached (patient) AS ("
        f"SELECT p.patient FROM patient p WHERE p.golden_id = ANY({arguments.add(list(ids))})"
        " UNION SELECT e.b FROM reached JOIN patient_edge e ON e.a = reached.patient)"
        " SELECT patient FROM reached)"
    )


def _times(reader: Reader, people: Iterable[Person]) -> dict[UUID, datetime]:
    """When each visible contribution of these people last changed, by its id."""
    ids = [c.fhir_id for person in people for c in person.contributions]
    rows = fetch(reader, "r.type = 'Patient' AND r.fhir_id = ANY(%(ids)s)", {"ids": ids})
    return {row.fhir_id: row.updated for row in rows}


def _sort_value(query: Query, person: Person, updated: dict[UUID, datetime]) -> str:
    return updated[person.golden_id].isoformat() if query.sort == "_lastUpdated" else ""


def _after(
    reader: Reader, query: Query, persons: list[tuple[Position, Person]], key: bytes
) -> list[tuple[Position, Person]]:
    if query.cursor is None:
        return persons
    value, golden_id = read_cursor(query.cursor, reader.viewer, _bound(query), key)
    if query.sort == "_id":
        return [e for e in persons if (e[0][1] < golden_id if query.descending else e[0][1] > golden_id)]
    return [e for e in persons if _further(e[0], (value, golden_id), query.descending)]


def _further(position: Position, last: Position, descending: bool) -> bool:
    if position[0] == last[0]:
        return position[1] > last[1]
    return (position[0] < last[0]) is descending


def _included(
    reader: Reader, query: Query, matches: Sequence[Served], persons: Sequence[Person]
) -> list[Served]:
    if not query.includes:
        return []
    ids = [c.fhir_id for person in persons for c in person.contributions]
    rows = fetch(reader, "r.type = 'Patient' AND r.fhir_id = ANY(%(ids)s)", {"ids": ids})
    return included(reader, query, matches, rows)


def _bound(query: Query) -> list[object]:
    return [query.type, *query.asked]

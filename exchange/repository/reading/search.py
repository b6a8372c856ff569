"""FHIR search as one viewer: nothing a viewer may not see changes a byte of his answer.

Row-level security filters every table a statement touches; what follows here only chooses among what is left.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from exchange.repository.reading.conditions import (
    Arguments,
    all_of,
    condition,
    ids_of,
    reference_id,
    updated_condition,
)
from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.include import included
from exchange.repository.reading.page import Around, Page, make_page, next_page
from exchange.repository.reading.patients import search_patients
from exchange.repository.reading.persons import find_person
from exchange.repository.reading.query import Parameters, Query, parse_query
from exchange.repository.reading.reader import (
    BEST_OF_CLUSTER,
    BEST_RENDITION,
    SHOWN,
    Reader,
    Shown,
    select,
    shown,
)
from exchange.repository.reading.view import serve
from exchange.repository.storage.dates import EARLIEST, LATEST
from exchange.repository.storage.parameters import parameters


@dataclass(frozen=True, slots=True)
class Statement:
    """FROM and WHERE of a search over `resource r`, with the value it is sorted by."""

    where: str
    arguments: Arguments
    sorted_by: str


def search(reader: Reader, resource_type: str, asked: Parameters, base_url: str, key: bytes) -> Page:
    """One page of what matches; `key` signs cursors. Raises BadSearch or CursorRefused."""
    query = parse_query(resource_type, asked, reader.at)
    if resource_type == "Patient":
        return search_patients(reader, query, base_url, key)
    statement = _statement(reader, query)
    total = _total(reader, statement) if query.total or query.summary == "count" else None
    if query.summary == "count" or query.count == 0:
        return make_page(reader, base_url, [], Around(total, unknown=query.unknown), query)
    rows = _rows(reader, query, statement, key)
    page, more = [row for row, _ in rows[: query.count]], len(rows) > query.count
    if total is None and not more and query.cursor is None:
        total = len(page)
    matches = serve(reader, page)
    return make_page(
        reader,
        base_url,
        [
            *(("match", s) for s in matches),
            *(("include", s) for s in included(reader, query, matches, page)),
        ],
        Around(
            total, _next(reader, query, rows[query.count - 1], base_url, key) if more else None, query.unknown
        ),
        query,
    )


def _statement(reader: Reader, query: Query) -> Statement:
    arguments = Arguments()
    patients = _patients(reader, query)
    placeholder = arguments.add(sorted(patients)) if patients is not None else None
    conditions = [f"r.type = {arguments.add(query.type)}"]
    if placeholder:
        conditions.append(f"r.patient = ANY({placeholder})")
    if query.about_nobody is not None:
        conditions.append(f"r.patient IS {'' if query.about_nobody else 'NOT '}NULL")
    conditions += [f"r.fhir_id = ANY({arguments.add(ids_of(values))})" for values in query.ids]
    conditions += [updated_condition(values, arguments) for values in query.updated]
    conditions += [condition(criterion, arguments, placeholder) for criterion in query.criteria]
    conditions += [BEST_RENDITION, BEST_OF_CLUSTER]
    return Statement(all_of(conditions), arguments, _sorted_by(query, arguments))


def _patients(reader: Reader, query: Query) -> set[int] | None:
    """Numbers of the visible Patients meant by all `patient` parameters; None when there is none."""
    found: set[int] | None = None
    for values in query.patients:
        either: set[int] = set()
        for value in values:
            patient_id = reference_id(value)
            person = find_person(reader, patient_id) if patient_id else None
            either.update(person.patients if person else ())
        found = either if found is None else found & either
    return found


def _sorted_by(query: Query, arguments: Arguments) -> str:
    if query.sort == "_id":
        return "NULL::timestamptz"
    if query.sort == "_lastUpdated":
        return "r.updated"
    key = arguments.add(parameters()[query.type][query.sort].key)
    last = arguments.add(EARLIEST if query.descending else LATEST)
    return f"coalesce((SELECT min(x.low) FROM index_date x WHERE x.rid = r.rid AND x.param = {key}), {last})"


def _total(reader: Reader, statement: Statement) -> int:
    rows = select(
        reader, f"SELECT count(*) FROM resource r WHERE {statement.where}", statement.arguments.values
    )
    return int(rows[0][0])


def _rows(
    reader: Reader, query: Query, statement: Statement, key: bytes
) -> list[tuple[Shown, datetime | None]]:
    """The rows of the page and one more, if there is one, each with the value it is sorted by."""
    arguments, by = statement.arguments, statement.sorted_by
    after = _after(reader, query, by, arguments, key)
    direction = "DESC" if query.descending else "ASC"
    order = f"r.fhir_id {direction}" if query.sort == "_id" else f"sorted_by {direction}, r.fhir_id"
    rows = select(
        reader,
        f"SELECT {SHOWN}, {by} AS sorted_by FROM resource r WHERE {statement.where} AND {after}"
        f" ORDER BY {order} LIMIT {arguments.add(query.count + 1)}",
        arguments.values,
    )
    return list(zip(shown(reader, [row[:-1] for row in rows]), [row[-1] for row in rows], strict=True))


def _after(reader: Reader, query: Query, by: str, arguments: Arguments, key: bytes) -> str:
    """SQL for what comes after the cursor, in the order of the search."""
    if query.cursor is None:
        return "true"
    time, last = read_cursor(query.cursor, reader.viewer, _bound(query), key)
    fhir_id = arguments.add(UUID(last))
    further = "<" if query.descending else ">"
    if query.sort == "_id":
        return f"r.fhir_id {further} {fhir_id}"
    at = arguments.add(datetime.fromisoformat(time))
    return f"({by} {further} {at} OR {by} = {at} AND r.fhir_id > {fhir_id})"


def _next(
    reader: Reader, query: Query, last: tuple[Shown, datetime | None], base_url: str, key: bytes
) -> str:
    row, time = last
    position = [time.isoformat() if time else "", str(row.fhir_id)]
    return next_page(
        base_url, query.type, query.asked, write_cursor(position, reader.viewer, _bound(query), key)
    )


def _bound(query: Query) -> list[object]:
    return [query.type, *query.asked]

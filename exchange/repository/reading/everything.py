"""Patient/$everything as one viewer. https://hl7.org/fhir/R4/patient-operation-everything.html"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from exchange.repository.reading.conditions import all_of
from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.include import referred
from exchange.repository.reading.matchers import Arguments, updated
from exchange.repository.reading.page import Around, Page, make_page, next_page
from exchange.repository.reading.persons import Person, find_person
from exchange.repository.reading.query import LARGEST_COUNT, Parameters
from exchange.repository.reading.reader import BEST_OF_CLUSTER, BEST_RENDITION, SHOWN, Reader, select, shown
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.reading.view import golden_patients, serve
from exchange.repository.storage.dates import EARLIEST, LATEST, span

_DEFAULT_COUNT = 200
_SERVED = frozenset({"_since", "_type", "_count", "_cursor", "start", "end"})


def everything(reader: Reader, patient_id: str, asked: Parameters, base_url: str, key: bytes) -> Page | None:
    """One page of the person's golden Patient, all visible records and what they refer to.

    None when the viewer sees no such Patient. `start` and `end` bound the dates of care.
    """
    person = _person(reader, patient_id)
    if person is None:
        return None
    given = dict(asked)
    count = _count(given)
    arguments = Arguments()
    where = _where(reader, person, given, arguments)
    bound = ["$everything", str(person.golden_id), *(pair for pair in asked if pair[0] != "_cursor")]
    last = read_cursor(given["_cursor"], reader.viewer, bound, key) if given.get("_cursor") else None
    if last:
        kind, fhir_id = arguments.add(last[0]), arguments.add(UUID(last[1]))
        where += f" AND (r.type, r.fhir_id) > ({kind}, {fhir_id})"
    found = select(
        reader,
        f"SELECT {SHOWN} FROM resource r WHERE {where}"
        f" ORDER BY r.type, r.fhir_id LIMIT {arguments.add(count + 1)}",
        arguments.values,
    )
    rows = shown(reader, found[:count])
    next_url = None
    if len(found) > count:
        token = write_cursor([rows[-1].type, str(rows[-1].fhir_id)], reader.viewer, bound, key)
        kept = [pair for pair in asked if pair[0] != "_cursor"]
        next_url = next_page(base_url, f"Patient/{person.golden_id}/$everything", kept, token)
    first = [] if last or not _wanted("Patient", given) else golden_patients(reader, [person])
    own = serve(reader, rows)
    served = [*first, *own, *referred(reader, None, own, about_nobody=True)]
    return make_page(
        reader,
        base_url,
        [("match", resource) for resource in served],
        Around(next=next_url, unknown=tuple(name for name in given if name not in _SERVED)),
    )


def _person(reader: Reader, patient_id: str) -> Person | None:
    try:
        return find_person(reader, UUID(patient_id))
    except ValueError:
        return None


def _count(given: dict[str, str]) -> int:
    text = given.get("_count", str(_DEFAULT_COUNT))
    count = whole_number("_count", text)
    if count == 0:
        raise BadSearch("_count is a positive number")
    return min(count, LARGEST_COUNT)


def _wanted(resource_type: str, given: dict[str, str]) -> bool:
    return "_type" not in given or resource_type in given["_type"].split(",")


def _where(reader: Reader, person: Person, given: dict[str, str], arguments: Arguments) -> str:
    conditions = [
        f"r.patient = ANY({arguments.add(list(person.patients))})",
        "r.type <> 'Patient'",
        BEST_RENDITION,
        BEST_OF_CLUSTER,
    ]
    if "_type" in given:
        conditions.append(f"r.type = ANY({arguments.add(given['_type'].split(','))})")
    if "_since" in given:
        conditions.append(updated((f"ge{given['_since']}",), reader.at, arguments, "r.updated"))
    if "start" in given or "end" in given:
        start, end = _day(given, "start", EARLIEST, 0), _day(given, "end", LATEST, 1)
        own = "x.rid = r.rid"
        overlap = f"x.high > {arguments.add(start)} AND x.low < {arguments.add(end)}"
        conditions.append(
            f"(NOT EXISTS (SELECT FROM index_date x WHERE {own})"
            f" OR EXISTS (SELECT FROM index_date x WHERE {own} AND {overlap}))"
        )
    return all_of(conditions)


def _day(given: dict[str, str], name: str, default: datetime, side: int) -> datetime:
    if name not in given:
        return default
    try:
        return span(given[name])[side]
    except (ValueError, OverflowError):
        raise BadSearch(f"{name} is a date") from None

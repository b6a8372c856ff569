"""All of a person's records as one viewer: Patient/$everything, and the search of the whole compartment.

https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple
from uuid import UUID

from exchange.repository.reading.conditions import all_of
from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.include import referred
from exchange.repository.reading.matchers import Arguments, updated
from exchange.repository.reading.page import Around, Page, make_page, next_page
from exchange.repository.reading.persons import Person, find_person
from exchange.repository.reading.query import LARGEST_COUNT, Parameters
from exchange.repository.reading.reader import (
    BEST_OF_CLUSTER,
    BEST_RENDITION,
    SHOWN,
    Reader,
    Shown,
    select,
    shown,
)
from exchange.repository.reading.settled import as_told, settled
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.reading.view import Served, golden_patients, serve
from exchange.repository.storage.dates import EARLIEST, LATEST, span
from exchange.repository.storage.parameters import parameters

_DEFAULT_COUNT = 200


@dataclass(frozen=True, slots=True)
class _Way:
    """How it is asked: the end of the address, the parameters served, what goes along with records."""

    name: str
    served: frozenset[str]
    along: Callable[[Reader, Sequence[Served]], Sequence[Served]]


_EVERYTHING = _Way(
    "$everything",
    frozenset({"_since", "_type", "_count", "_cursor", "start", "end"}),
    lambda reader, own: referred(reader, None, own, about_nobody=True),
)
_COMPARTMENT = _Way("*", frozenset({"_type", "_count", "_cursor"}), lambda _, __: ())


def everything(reader: Reader, patient_id: str, asked: Parameters, base_url: str, key: bytes) -> Page | None:
    """One page of the person's golden Patient, all visible records and what they refer to.

    None when the viewer sees no such Patient. `start` and `end` bound the dates of care.
    """
    found = settled(lambda: _found(reader, patient_id, _EVERYTHING, asked, key), _torn, _told)
    return found and _page(reader, found, _EVERYTHING, asked, base_url, key)


def compartment(reader: Reader, patient_id: str, asked: Parameters, base_url: str, key: bytes) -> Page:
    """One page of the golden Patient and all visible records about the person; of nobody visible, none."""
    found = settled(lambda: _found(reader, patient_id, _COMPARTMENT, asked, key), _torn, _told)
    if found is None:
        return make_page(reader, base_url, [], Around(unknown=_unknown(_COMPARTMENT, asked)))
    return _page(reader, found, _COMPARTMENT, asked, base_url, key)


class _Found(NamedTuple):
    """What several statements found: whose records, his Patient where it is wanted, and what goes along."""

    person: Person
    is_wanted: bool
    patient: list[Served]
    own: list[Served]
    along: Sequence[Served]
    last: Shown | None


def _torn(found: _Found | None) -> bool:
    """Whether a consent or a link may have come between the statements."""
    if found is None:
        return False
    hidden = any(one.person is None and one.source_patient is not None for one in found.own)
    return hidden or (found.is_wanted and not found.patient)


def _told(found: _Found | None) -> object:
    return found and [as_told(each) for each in (found.patient, found.own, found.along)]


def _found(reader: Reader, patient_id: str, way: _Way, asked: Parameters, key: bytes) -> _Found | None:
    person = _person(reader, patient_id)
    if person is None:
        return None
    given = {name: value for name, value in asked if name in way.served}
    count = _count(given)
    arguments = Arguments()
    where = _where(reader, person, given, arguments)
    last = None
    if given.get("_cursor"):
        last = read_cursor(given["_cursor"], reader.viewer, _bound(person, way, asked), key)
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
    is_wanted = not last and _wanted("Patient", given)
    patient = golden_patients(reader, [person]) if is_wanted else []
    own = serve(reader, rows)
    more = rows[-1] if len(found) > count else None
    return _Found(person, is_wanted, patient, own, way.along(reader, own), more)


def _page(reader: Reader, found: _Found, way: _Way, asked: Parameters, base_url: str, key: bytes) -> Page:
    next_url, person = None, found.person
    if found.last:
        position, bound = [found.last.type, str(found.last.fhir_id)], _bound(person, way, asked)
        kept = [pair for pair in asked if pair[0] != "_cursor"]
        token = write_cursor(position, reader.viewer, bound, key)
        next_url = next_page(base_url, f"Patient/{person.golden_id}/{way.name}", kept, token)
    served = [*found.patient, *found.own, *found.along]
    return make_page(
        reader,
        base_url,
        [("match", resource) for resource in served],
        Around(next=next_url, unknown=_unknown(way, asked)),
    )


def _bound(person: Person, way: _Way, asked: Parameters) -> list[object]:
    return [way.name, str(person.golden_id), *(pair for pair in asked if pair[0] != "_cursor")]


def _unknown(way: _Way, asked: Parameters) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in asked if name not in way.served))


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
        own, said = "x.rid = r.rid", f"x.param = ANY({arguments.add(_dates())})"
        overlap = f"{said} AND x.high > {arguments.add(start)} AND x.low < {arguments.add(end)}"
        conditions.append(
            f"(NOT EXISTS (SELECT FROM index_date x WHERE {own})"
            f" OR EXISTS (SELECT FROM index_date x WHERE {own} AND {overlap}))"
        )
    return all_of(conditions)


@cache
def _dates() -> list[int]:
    """Keys of all that is a date itself: what spans several of them holds for none (`several_key`)."""
    return sorted({p.key for own in parameters().values() for p in own.values() if p.kind == "date"})


def _day(given: dict[str, str], name: str, default: datetime, side: int) -> datetime:
    if name not in given:
        return default
    try:
        return span(given[name])[side]
    except (ValueError, OverflowError):
        raise BadSearch(f"{name} is a date") from None

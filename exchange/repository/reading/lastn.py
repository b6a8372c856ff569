"""Observation/$lastn as one viewer: the latest of each code. https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from exchange.repository.reading.criteria import Where
from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.page import Around, Page, make_page
from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.query import Parameters, Query, parse_query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, SHOWN, Reader, select, shown
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.reading.view import serve
from exchange.repository.reading.where import where_sql
from exchange.repository.storage.dates import EARLIEST
from exchange.repository.storage.parameters import parameters

_MOST = 1000

_FIRST = 16
"""People looked at first: an answer is full with the codes of so many, as a rule."""

# Bodies are read of the latest alone.
_LATEST = f"""
SELECT {SHOWN} FROM (
    SELECT k.*, row_number() OVER (PARTITION BY k.person, k.key ORDER BY k.low DESC, k.fhir_id) AS place
    FROM (
        SELECT r.rid, r.fhir_id, p.person, coalesce((
            SELECT min(x.key) FROM index_token x WHERE x.rid = r.rid AND x.param = {{code}}
        ), r.rid) AS key, coalesce((
            SELECT max(x.low) FROM index_date x WHERE x.rid = r.rid AND x.param = {{date}}
        ), {{never}}) AS low
        FROM resource r
        LEFT JOIN unnest({{patients}}::int[], {{people}}::uuid[]) AS p (patient, person)
            ON p.patient = r.patient
        WHERE {{where}}
    ) k
) s JOIN resource r ON r.rid = s.rid
WHERE s.place <= {{most}} ORDER BY s.person, s.key, s.low DESC, s.fhir_id LIMIT {{limit}}
"""


def lastn(reader: Reader, asked: Parameters, base_url: str) -> Page:
    """The `max` (1) latest Observations of each code among those that match; raises BadSearch.

    A patient must be named, by `patient`, `subject` or a chain.
    """
    most = whole_number("max", dict(asked).get("max", "1"))
    query = parse_query("Observation", [pair for pair in asked if pair[0] != "max"], reader.at)
    chained = any(chain.parameter.subject for chain in query.where.chains)
    if most == 0 or not (query.where.patients or chained):
        raise BadSearch("$lastn needs a patient, and max is a positive number")
    served = serve(reader, shown(reader, _latest(reader, query, most)))
    total = len(served) if len(served) < _MOST else None
    return make_page(
        reader, base_url, [("match", one) for one in served], Around(total, unknown=query.unknown), query.form
    )


def _latest(reader: Reader, query: Query, most: int) -> list[Any]:
    """Rows in order of person, code and time, of as many people as it takes to fill an answer."""
    arguments = Arguments()
    asked = where_sql(reader, query.where, arguments)
    rows = select(reader, f"SELECT DISTINCT r.patient FROM resource r WHERE {asked}", arguments.values)
    people = persons_of(reader, (row[0] for row in rows))
    unknown = [row[0] for row in rows if row[0] not in people]  # whose Patient is hidden: told last
    found: list[Any] = []
    for among in [*_in_order(people), unknown]:
        if among and len(found) < _MOST:
            found += _latest_of(reader, query.where, among, people, most)
    return found[:_MOST]


def _latest_of(
    reader: Reader, where: Where, among: list[int], people: Mapping[int, Person], most: int
) -> list[Any]:
    """The same of some Patients, by number, among those asked about."""
    others = [chain for chain in where.chains if not chain.parameter.subject]
    theirs = replace(where, patients=[], chains=others, among=frozenset(among))
    own, arguments = parameters()["Observation"], Arguments()
    known = [number for number in among if number in people]
    statement = _LATEST.format(
        where=f"{where_sql(reader, theirs, arguments)} AND {BEST_OF_CLUSTER}",
        patients=arguments.add(known),
        people=arguments.add([people[number].golden_id for number in known]),
        code=arguments.add(own["code"].key),
        date=arguments.add(own["date"].key),
        never=arguments.add(EARLIEST),
        most=arguments.add(most),
        limit=arguments.add(_MOST),
    )
    return select(reader, statement, arguments.values)


def _in_order(people: Mapping[int, Person]) -> Iterator[list[int]]:
    """Numbers of the Patients of some people, of more, and of more, in order of golden id."""
    numbers = sorted(people, key=lambda number: people[number].golden_id)
    ends = [n for n in range(1, len(numbers)) if _id(people, numbers[n]) != _id(people, numbers[n - 1])]
    begin, size = 0, _FIRST
    while begin < len(numbers):
        end = next((n for n in ends if n >= begin + size), len(numbers))
        yield numbers[begin:end]
        begin, size = end, size * 2


def _id(people: Mapping[int, Person], number: int) -> UUID:
    return people[number].golden_id

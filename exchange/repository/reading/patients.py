"""Search for Patients: golden ones, found by what any contribution visible to the viewer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from exchange.repository.reading.include import included
from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.page import Around, Page, empty_page, make_page, next_after, position_of
from exchange.repository.reading.persons import Person
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import BEST_RENDITION, Reader, select
from exchange.repository.reading.settled import all_seen, as_told, settled
from exchange.repository.reading.sorting import SortKey, is_after
from exchange.repository.reading.view import Served, golden_patients
from exchange.repository.reading.walk import (
    FIRST_PEOPLE,
    START,
    Stretch,
    stored_records,
    walks_people,
    wider,
)
from exchange.repository.reading.where import changed_at, count_people, find_people, people_within

Placed = tuple[list[Any], Person]
"""The values of the sort keys, and whose they are."""


def search_patients(reader: Reader, query: Query, base_url: str, key: bytes) -> Page:
    """One page of golden Patients; all of the criteria must hold for one and the same contribution."""
    if query.is_count:
        return empty_page(query, count_people(reader, query.where))
    found = settled(
        lambda: _found(reader, query, key),
        lambda found: _torn(reader, found, query),
        lambda found: found.told,
    )
    following = next_after(reader, query, found.page[-1][0], base_url, key) if found.more else None
    return make_page(
        reader,
        base_url,
        [*(("match", s) for s in found.matches), *(("include", s) for s in found.others)],
        Around(found.total, following, query.unknown),
        query.form,
    )


class _Found(NamedTuple):
    """What several statements found one after the other: people by their place, and what is told of them."""

    total: int | None
    page: list[Placed]
    more: bool
    matches: list[Served]
    others: list[Served]

    @property
    def told(self) -> tuple[object, ...]:
        return (self.total, as_told(self.matches), as_told(self.others))


def _found(reader: Reader, query: Query, key: bytes) -> _Found:
    ahead = _walked(reader, query, key)
    if ahead is not None:
        total = count_people(reader, query.where) if query.total else None
    else:
        people = find_people(reader, query.where)
        total = len(people) if query.total else None
        ahead = _after(reader, query, _in_order(reader, query.sort, people), key)
    page, more = ahead[: query.count], len(ahead) > query.count
    if total is None and not more and query.cursor is None:
        total = len(page)
    matches = golden_patients(reader, [person for _, person in page])
    return _Found(total, page, more, matches, included(reader, query, matches))


def _torn(reader: Reader, found: _Found, query: Query) -> bool:
    """Whether somebody is told of otherwise than he was found, or was counted who was not found."""
    if [one.person for one in found.matches] != [person for _, person in found.page]:
        return True
    if query.cursor is None and not found.more and found.total != len(found.page):
        return True
    return bool(query.includes) and not all_seen(reader, found.matches)


def _walked(reader: Reader, query: Query, key: bytes) -> list[Placed] | None:
    """Those of the page and one more by walking the golden ids; None when that promises no page soon."""
    if not walks_people(query):
        return None
    stored, wanted = stored_records(reader, "patient"), query.count + 1
    last = UUID(position_of(reader, query, key)[0]) if query.cursor is not None else START
    stretch: Stretch | None = Stretch(last, FIRST_PEOPLE / max(stored, 1))
    while stretch is not None:
        found = people_within(reader, query.where, stretch)
        if len(found) >= wanted or stretch.is_last:
            return [([person.golden_id], person) for person in found[:wanted]]
        stretch = wider(stretch, len(found), wanted, stored)
    return None


def _in_order(reader: Reader, keys: Sequence[SortKey], people: Sequence[Person]) -> list[Placed]:
    columns = [_values(reader, key, people) for key in keys]
    placed = [
        ([found.get(p.golden_id, key.missing) for key, found in zip(keys, columns, strict=True)], p)
        for p in people
    ]
    for number, key in reversed(list(enumerate(keys))):
        placed.sort(key=lambda entry: entry[0][number], reverse=key.descending)
    return placed


def _values(reader: Reader, key: SortKey, people: Sequence[Person]) -> dict[UUID, Any]:
    """What a golden Patient is sorted by: what comes first of all that its contributions say."""
    if key.name == "_id":
        return {p.golden_id: p.golden_id for p in people}
    if key.parameter is None:
        return dict(changed_at(reader, people))
    arguments = Arguments()
    numbers = arguments.add([number for person in people for number in person.patients])
    rows = select(
        reader,
        f"SELECT r.patient, {key.sql(arguments)} FROM resource r"
        f" WHERE r.type = 'Patient' AND r.patient = ANY({numbers}) AND {BEST_RENDITION}",
        arguments.values,
    )
    said = dict(rows)
    found = {p.golden_id: [said[n] for n in p.patients if n in said] for p in people}
    return {golden_id: key.first(values) for golden_id, values in found.items() if values}


def _after(reader: Reader, query: Query, placed: list[Placed], key: bytes) -> list[Placed]:
    if query.cursor is None:
        return placed
    texts = position_of(reader, query, key)
    last = [k.read(text) for k, text in zip(query.sort, texts, strict=True)]
    return [entry for entry in placed if is_after(query.sort, entry[0], last)]

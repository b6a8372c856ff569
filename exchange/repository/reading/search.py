"""FHIR search as one viewer: nothing a viewer may not see changes a byte of his answer.

Row-level security filters every table a statement touches; what follows here only chooses among what is left.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from exchange.repository.reading.finding import found_rows
from exchange.repository.reading.include import included
from exchange.repository.reading.page import Around, Page, empty_page, make_page, next_after
from exchange.repository.reading.patients import search_patients
from exchange.repository.reading.query import Parameters, Query, parse_query
from exchange.repository.reading.reach import within_reach
from exchange.repository.reading.reader import Reader, Shown, shown
from exchange.repository.reading.settled import all_seen, as_told, settled
from exchange.repository.reading.statement import Statement, statement_of
from exchange.repository.reading.totals import total as total_of
from exchange.repository.reading.view import Served, serve


def search(reader: Reader, resource_type: str, asked: Parameters, base_url: str, key: bytes) -> Page:
    """One page of what matches; `key` signs cursors. Raises BadSearch or CursorRefused."""
    return search_for(reader, parse_query(resource_type, asked, reader.at), base_url, key)


def search_for(reader: Reader, query: Query, base_url: str, key: bytes) -> Page:
    """The same for a search that was read already."""
    query = replace(query, where=within_reach(reader, query.where))
    if query.type == "Patient":
        return search_patients(reader, query, base_url, key)
    found = settled(
        lambda: _found(reader, query, key),
        lambda found: _torn(reader, found, query),
        lambda found: found.told,
    )
    if query.is_count:
        return empty_page(query, found.total)
    following = _next(reader, query, found.rows[query.count - 1], base_url, key) if found.more else None
    return make_page(
        reader,
        base_url,
        [*(("match", s) for s in found.matches), *(("include", s) for s in found.others)],
        Around(found.total, following, query.unknown),
        query.form,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What several statements found one after the other: total, rows, and whose they are."""

    total: int | None
    rows: list[tuple[Shown, list[Any]]]
    more: bool
    matches: list[Served]
    others: list[Served]

    @property
    def told(self) -> tuple[object, ...]:
        return (self.total, as_told(self.matches), as_told(self.others))


def _found(reader: Reader, query: Query, key: bytes) -> _Found:
    statement = statement_of(reader, query)
    total = total_of(reader, query, statement) if query.total or query.is_count else None
    if query.is_count:
        return _Found(total, [], False, [], [])
    rows = _rows(reader, query, statement, key)
    page, more = [row for row, _ in rows[: query.count]], len(rows) > query.count
    if total is None and not more and query.cursor is None:
        total = len(page)
    matches = serve(reader, page)
    return _Found(total, rows, more, matches, included(reader, query, matches))


def _torn(reader: Reader, found: _Found, query: Query) -> bool:
    """Whether a consent, link or label may have come between the statements: then all is asked again.

    A record whose Patient is hidden looks the same; asked again it is found the same.
    """
    hidden = any(s.person is None and s.source_patient is not None for s in found.matches)
    whole = query.cursor is None and not found.more and not query.is_count
    if hidden or (whole and found.total != len(found.matches)):
        return True
    return bool(query.includes) and not all_seen(reader, found.matches)


def first_of(reader: Reader, query: Query) -> list[Served]:
    """The resources of the first page alone, with nothing around them."""
    rows = _rows(reader, query, statement_of(reader, query), b"")
    return serve(reader, [row for row, _ in rows[: query.count]])


def _rows(reader: Reader, query: Query, statement: Statement, key: bytes) -> list[tuple[Shown, list[Any]]]:
    """The rows of the page and one more, if there is one, each with the values it is sorted by."""
    rows = found_rows(reader, query, statement, key)
    width = len(Shown._fields)
    seen = shown(reader, [row[:width] for row in rows])
    return [(row, list(whole[width:])) for row, whole in zip(seen, rows, strict=True)]


def _next(reader: Reader, query: Query, last: tuple[Shown, list[Any]], base_url: str, key: bytes) -> str:
    return next_after(reader, query, last[1], base_url, key)

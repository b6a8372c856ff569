"""Reading in bulk: a type slice by slice, and whether what was read once may still be told.

Slices come from the same search as any other answer. What each line was made of is kept with it, so that a
file that is fetched later holds nothing that its viewer may not see any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from exchange.repository.reading.hearsay import told_of
from exchange.repository.reading.page import Entry, Page
from exchange.repository.reading.persons import Person, distinct, find_person, persons_of
from exchange.repository.reading.query import Parameters
from exchange.repository.reading.reader import BEST_RENDITION, Pool, Reader, select
from exchange.repository.reading.search import search
from exchange.repository.reading.view import golden_patients

Part = tuple[str, str, int]
"""Type, id and rendition of a row."""


@dataclass(frozen=True, slots=True)
class Line:
    """A resource as the viewer got it; `about`: to whom it is accounted, `parts`: the rows it was made of."""

    type: str
    id: str
    about: str | None
    parts: tuple[Part, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Portion:
    """Which resources of a type: those a search finds, changed since, about some people (ids as known)."""

    type: str
    search: Parameters = ()
    since: datetime | None = None
    patients: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Steady:
    """A pool whose transactions see one instant: a line and its parts are read by two statements."""

    pool: Pool

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        with self.pool.connection() as conn:
            if conn.info.transaction_status != TransactionStatus.IDLE:
                yield conn  # lent within its owner's own transaction, whose isolation is his to choose
                return
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            try:
                yield conn
            finally:
                conn.isolation_level = None


def bulk_slice(
    reader: Reader, portion: Portion, after: str, count: int, key: bytes
) -> tuple[list[Line], str | None]:
    """About `count` lines after a position ("": the start), and the position after them; None at the end.

    The transaction must be that of a `Steady` pool. Raises BadSearch.
    """
    if portion.type == "Patient" and portion.patients is not None:
        people = [person for one in portion.patients if (person := find_person(reader, UUID(one)))]
        if not portion.search:
            return _composed(reader, distinct(people), portion.since), None
        portion = replace(portion, patients=tuple(str(person.golden_id) for person in people))
    elif portion.type == "Patient" and not portion.search:
        return _patients(reader, portion.since, after, count)
    page = search(reader, portion.type, _parameters(portion, after, count), "", key)
    entries = [entry for entry in page.entries if entry.mode == "match"]
    if portion.type != "Patient":
        return [_entered(entry) for entry in entries], _position(page)
    met = {_key(entry): find_person(reader, UUID(_key(entry))) for entry in entries}
    known = {key: person for key, person in met.items() if person}
    if portion.since is not None:
        entries = _changed(reader, entries, known, portion.since)
    return _with_parts(reader, [_entered(entry) for entry in entries], known), _position(page)


def _parameters(portion: Portion, after: str, count: int) -> Parameters:
    asked = [*portion.search, ("_count", str(count))]
    if portion.since and portion.type != "Patient":
        asked.append(("_lastUpdated", f"ge{portion.since.isoformat()}"))
    if portion.patients is not None:
        asked.append(("_id" if portion.type == "Patient" else "patient", ",".join(portion.patients)))
    return [*asked, ("_cursor", after)] if after else asked


def _position(page: Page) -> str | None:
    return dict(parse_qsl(urlsplit(page.next).query))["_cursor"] if page.next else None


def _patients(
    reader: Reader, since: datetime | None, after: str, count: int
) -> tuple[list[Line], str | None]:
    """People in the order of their first contribution: each is composed where that one is met."""
    rows = select(
        reader,
        f"SELECT r.patient, r.fhir_id::text FROM resource r WHERE r.type = 'Patient' AND {BEST_RENDITION}"
        " AND r.fhir_id > %s ORDER BY r.fhir_id LIMIT %s",
        (after or "00000000-0000-0000-0000-000000000000", count),
    )
    met = {fhir_id for _, fhir_id in rows}
    people = distinct(persons_of(reader, (patient for patient, _ in rows)).values())
    first = [person for person in people if str(person.contributions[0].fhir_id) in met]
    return _composed(reader, first, since), rows[-1][1] if len(rows) == count else None


def _composed(reader: Reader, people: Sequence[Person], since: datetime | None) -> list[Line]:
    """Those of whom a source said something since, or whose links have changed."""
    made = golden_patients(reader, people)
    if since is not None:
        linked = _links_changed(reader, since, [number for person in people for number in person.patients])
        made = [
            found
            for found in made
            if found.updated >= since or (found.person and not linked.isdisjoint(found.person.patients))
        ]
    lines = [Line(found.type, found.id, found.about, (), found.body) for found in made]
    return _with_parts(reader, lines, {found.id: found.person for found in made if found.person})


def _changed(
    reader: Reader, entries: Sequence[Entry], known: Mapping[str, Person], since: datetime
) -> list[Entry]:
    """As `_composed`, of Patients that a search found."""
    linked = _links_changed(
        reader, since, [number for person in known.values() for number in person.patients]
    )
    joined = {key for key, person in known.items() if not linked.isdisjoint(person.patients)}
    return [entry for entry in entries if entry.updated >= since or _key(entry) in joined]


def _key(entry: Entry) -> str:
    return entry.full_url.rpartition("/")[2]


def _links_changed(reader: Reader, since: datetime, among: Sequence[int] | None) -> set[int]:
    rows = select(reader, "SELECT * FROM links_changed(%s, %s::int[])", (since, among))
    return {number for (number,) in rows}


def absorbed_since(reader: Reader, since: datetime) -> list[str]:
    """Ids by which people were known before a link since made them part of others, in order."""
    return _absorbed(reader, _links_changed(reader, since, None))


def still_absorbed(reader: Reader, ids: Sequence[str]) -> list[str]:
    """Those of them by which nobody is known now but as part of another, whom this viewer sees."""
    rows = select(reader, "SELECT patient FROM patient WHERE golden_id = ANY(%s::uuid[])", (list(ids),))
    told = set(_absorbed(reader, (number for (number,) in rows)))
    return [one for one in ids if one in told]


def _absorbed(reader: Reader, patients: Iterable[int]) -> list[str]:
    people = persons_of(reader, patients)
    own = {c.patient: c.golden_id for person in people.values() for c in person.contributions}
    return sorted(str(own[n]) for n, person in people.items() if own[n] != person.golden_id)


def _entered(entry: Entry) -> Line:
    kind, key = entry.full_url.split("/")[-2:]
    parts = () if kind == "Patient" else ((kind, key, entry.rendition),)
    return Line(kind, key, entry.about, parts, entry.body)


def _with_parts(reader: Reader, lines: Sequence[Line], people: Mapping[str, Person]) -> list[Line]:
    """Patients with the rows they were made of, in the best rendition visible; `people` by golden id."""
    sources = {
        line.id: tuple(str(c.fhir_id) for c in people[line.id].contributions) if line.id in people else ()
        for line in lines
    }
    rows = select(
        reader,
        "SELECT fhir_id::text, min(rendition) FROM resource"
        " WHERE type = 'Patient' AND fhir_id = ANY(%s::uuid[]) GROUP BY 1",
        (sorted({one for each in sources.values() for one in each}),),
    )
    rendition = dict(rows)
    return [
        replace(line, parts=tuple((line.type, one, rendition[one]) for one in sources[line.id]))
        for line in lines
        if sources[line.id] and all(one in rendition for one in sources[line.id])
    ]


@dataclass(frozen=True, slots=True)
class Still:
    """What may be told now: lines with their positions; whom each row behind them is about, and its class."""

    lines: tuple[tuple[int, Line], ...]
    shares: tuple[tuple[str | None, tuple[int]], ...]


def still_told(reader: Reader, lines: Sequence[Line]) -> Still:
    """Those of the lines whose every part is visible now, without words about others that are not."""
    parts = [(number, part) for number, line in enumerate(lines) for part in line.parts]
    rows = select(
        reader,
        "SELECT n.line, r.class, r.type || '/' || r.fhir_id, EXISTS (SELECT FROM patient p JOIN resource o"
        "  ON o.type = 'Patient' AND o.fhir_id = p.fhir_id AND o.rendition = 0 WHERE p.patient = r.patient)"
        " FROM unnest(%s::int[], %s::text[], %s::uuid[], %s::int[]) AS n (line, type, fhir_id, rendition)"
        " JOIN resource r ON (r.type, r.fhir_id, r.rendition) = (n.type, n.fhir_id, n.rendition)",
        (
            [number for number, _ in parts],
            [part[0] for _, part in parts],
            [part[1] for _, part in parts],
            [part[2] for _, part in parts],
        ),
    )
    seen = Counter(row[0] for row in rows)
    whole = {row[0] for row in rows if row[3]}
    kept = [(n, line) for n, line in enumerate(lines) if line.parts and seen[n] == len(line.parts)]
    own = {n: frozenset([f"Patient/{line.about}"]) if n in whole else frozenset() for n, line in kept}
    bodies = told_of(reader, {n: (line.body, own[n]) for n, line in kept})
    told = tuple((n, replace(line, body=bodies[n])) for n, line in kept)
    about = {n: line.about for n, line in kept}
    return Still(told, tuple((about[row[0]], (row[1],)) for row in rows if row[0] in about))


def deleted_slice(
    reader: Reader, types: Sequence[str], since: datetime, after: tuple[str, str], count: int
) -> list[tuple[str, str]]:
    """(type, id) of what was deleted since and this viewer could see, after a position in that order."""
    rows = select(
        reader,
        "SELECT type, fhir_id::text FROM deleted_since(%s, %s::text[], %s, %s::uuid, %s)",
        (since, list(types), *after, count),
    )
    return [(kind, fhir_id) for kind, fhir_id in rows]


def deletions_told(reader: Reader, gone: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of deleted (type, id) that this viewer may be told of now, in their order."""
    rows = select(
        reader,
        "SELECT type, fhir_id::text FROM deletions_told(%s::text[], %s::uuid[])",
        ([kind for kind, _ in gone], [fhir_id for _, fhir_id in gone]),
    )
    told = {(kind, fhir_id) for kind, fhir_id in rows}
    return [one for one in gone if one in told]

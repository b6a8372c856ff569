"""Which merges and splits of persons a recipient hears of: those that change whom he sees as one.

Two who are one through a Patient that he may not see are two for him all along: when that ends, nothing does.
Where such a Patient stands for a side, the first that he sees of that side stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import NamedTuple
from uuid import UUID

import psycopg

from exchange.delivery.events import Event
from exchange.repository import Reader, persons_of, seen_pairs

_Pair = tuple[int, int]


class _Link(NamedTuple):
    at: datetime
    linked: bool


@dataclass(frozen=True, slots=True)
class _Links:
    """Everything that ever was linked with some patients, what became of each link, and what holds now."""

    history: Mapping[_Pair, Sequence[_Link]]
    now: Set[_Pair]

    @property
    def patients(self) -> Set[int]:
        return {number for pair in (*self.history, *self.now) for number in pair}

    def at(self, moment: datetime, *, after: bool) -> Set[_Pair]:
        """The links just before a moment, or with what happened at it."""

        def held(pair: _Pair) -> bool:
            told = self.history.get(pair, ())
            past = [link for link in told if link.at < moment or (after and link.at == moment)]
            if past:
                return past[-1].linked
            return not told[0].linked if told else True

        return {pair for pair in {*self.history, *self.now} if held(pair)}


def persons_changed(view: Reader, events: Sequence[Event]) -> list[Event]:
    """The events of persons that are true for who reads, each about patients he sees."""
    pairs = {event.pair for event in events if event.pair}
    if not pairs:
        return []
    with _as_owner(view.conn):
        links = _links(view.conn, {number for pair in pairs for number in pair})
    around = {*links.patients, *(number for pair in pairs for number in pair)}
    people = persons_of(view, around)
    names = {c.patient: c.fhir_id for person in people.values() for c in person.contributions}
    ever = _together({*links.history, *links.now})
    hidden = {ever.get(number, number) for number in around - names.keys()}
    told = [_as_seen(event, links, names) if _is_beside(event, hidden, ever) else event for event in events]
    found = [event for event in told if event is not None and event.pair]
    as_one = seen_pairs(view, {event.pair for event in found if event.pair})
    return [
        event for event in found if event.pair and as_one.get(event.pair) is (event.topic == "person-merged")
    ]


@contextmanager
def _as_owner(conn: psycopg.Connection) -> Iterator[None]:
    """Links to what is hidden are the owner's to look at; the view goes on after it."""
    conn.execute("RESET ROLE")
    yield
    conn.execute("SET LOCAL ROLE exchange_api")


def _links(conn: psycopg.Connection, patients: Set[int]) -> _Links:
    rows = conn.execute(_HISTORY, {"patients": sorted(patients)}).fetchall()
    history: dict[_Pair, list[_Link]] = {}
    for at, linked, a, b in rows:
        history.setdefault((a, b), []).append(_Link(at, linked))
    known = sorted({*patients, *(number for pair in history for number in pair)})
    now = conn.execute(_NOW, {"patients": known}).fetchall()
    return _Links(history, {(a, b) for a, b in now})


_REACHED = """
WITH RECURSIVE reached (patient) AS (
    SELECT unnest(%(patients)s::int[])
    UNION
    SELECT n.patient FROM reached r CROSS JOIN LATERAL (
        SELECT e.b AS patient FROM patient_edge e WHERE e.a = r.patient
        UNION ALL SELECT l.b FROM link_event l WHERE l.a = r.patient AND l.kind = 'linked'
        UNION ALL SELECT l.a FROM link_event l WHERE l.b = r.patient AND l.kind = 'linked'
    ) n
)
"""
_HISTORY = f"""{_REACHED}
SELECT at, kind = 'linked', least(a, b), greatest(a, b) FROM link_event
WHERE kind IN ('linked', 'unlinked', 'kept-apart')
  AND a IN (SELECT patient FROM reached) AND b IN (SELECT patient FROM reached)
ORDER BY event
"""
_NOW = f"""{_REACHED}
SELECT a, b FROM patient_edge WHERE a < b AND a IN (SELECT patient FROM reached)
"""


def _is_beside(event: Event, hidden: Set[int], ever: Mapping[int, int]) -> bool:
    """Whether somebody hidden was ever linked with those it is about, and not with others of the delivery."""
    return event.pair is not None and any(ever.get(number, number) in hidden for number in event.pair)


def _as_seen(event: Event, links: _Links, names: Mapping[int, UUID]) -> Event | None:
    """The event between two patients whom he sees; None where nothing came together or parted for him."""
    if event.pair is None:
        return None
    before, after = (links.at(event.at, after=late) for late in (False, True))
    merged = event.topic == "person-merged"
    apart, together = (before, after) if merged else (after, before)
    groups = _together(apart)
    one_side, other_side = (
        sorted((n for n in names if groups.get(n, n) == groups.get(leader, leader)), key=names.__getitem__)
        for leader in event.pair
    )
    seen_apart, seen_together = (
        _together({pair for pair in edges if names.keys() >= set(pair)}) for edges in (apart, together)
    )
    for one, other in product(one_side, other_side):
        parted = seen_apart.get(one, one) != seen_apart.get(other, other)
        if parted and seen_together.get(one, one) == seen_together.get(other, other):
            return replace(event, fhir_id=names[one], patient=one, other=other)
    return None


def _together(edges: Iterable[_Pair]) -> dict[int, int]:
    """For everybody who is linked, one of those he is linked with: the same for all of them."""
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    found: dict[int, int] = {}
    for start in neighbours:
        waiting = [] if start in found else [start]
        while waiting:
            number = waiting.pop()
            if number not in found:
                found[number] = start
                waiting += neighbours[number]
    return found

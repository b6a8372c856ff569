"""Whose records a search of everybody can find, where these are few: the people in the viewer's care.

Else such a search would look at the records of all others first, and take longer the more of them there are:
a clinic of ten patients would wait for the whole repository, and could tell by the clock what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from exchange.repository.reading.criteria import Where
from exchange.repository.reading.reader import Reader, select

FEW = 16
"""So few people are asked by name however small the store is; of more, a quarter of the root of all of them.

A page of everybody's is walked through as many more records as there are more people than he sees; by name,
all records of those he sees are looked at. The two cost the same about there.
"""

# What is open to a viewer without care may be about anybody (migrations/206_opened.sql).
_REACHED = """
SELECT most, CASE WHEN NOT EXISTS (SELECT FROM opened o WHERE o.type = %s)
    THEN ARRAY(SELECT DISTINCT s.patient FROM relationship s LIMIT most + 1) END
FROM (
    SELECT greatest(%s, sqrt(greatest(reltuples, 0)) / 4)::int AS most
    FROM pg_class WHERE oid = 'patient'::regclass
) AS bound
"""


def within_reach(reader: Reader, where: Where) -> Where:
    """The same among the people in the viewer's care, if they are few and he sees no others of the type."""
    named = where.ids or where.patients or any(chain.parameter.subject for chain in where.chains)
    if named or where.among is not None:
        return where
    if where.type not in reader.reached:
        reader.reached[where.type] = _reached(reader, where.type)
    return replace(where, among=reader.reached[where.type])


def _reached(reader: Reader, resource_type: str) -> frozenset[int] | None:
    found: tuple[int, Sequence[int] | None] = select(reader, _REACHED, (resource_type, FEW))[0]
    most, people = found
    return None if people is None or len(people) > most else frozenset(people)

"""Whose records a search of everybody can find, where they are few: people in the viewer's care and its own.

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

# What is open to a viewer without care, but for having sent it, may be about anybody (migrations 206, 208).
# Where these few are a good part of all people, as in a new store, they are walked through like others.
_REACHED = """
SELECT most, CASE WHEN NOT EXISTS (SELECT FROM opened o WHERE o.type = %s) THEN ARRAY(
    (SELECT DISTINCT s.patient FROM relationship s LIMIT most + 1) UNION SELECT own_people(most + 1)
) END
FROM (
    SELECT least(greatest(%s, sqrt(greatest(reltuples, 0)) / 4), reltuples / 8)::int AS most
    FROM pg_class WHERE oid = 'patient'::regclass
) AS bound WHERE most >= 0
"""


def within_reach(reader: Reader, where: Where) -> Where:
    """The same among the people of whom the viewer sees anything of the type, if these are few."""
    named = where.ids or where.patients or any(chain.parameter.subject for chain in where.chains)
    if named or where.among is not None:
        return where
    if where.type not in reader.reached:
        reader.reached[where.type] = _reached(reader, where.type)
    return replace(where, among=reader.reached[where.type])


def _reached(reader: Reader, resource_type: str) -> frozenset[int] | None:
    rows: list[tuple[int, Sequence[int] | None]] = select(reader, _REACHED, (resource_type, FEW))
    most, people = rows[0] if rows else (0, None)
    return None if people is None or len(people) > most else frozenset(people)

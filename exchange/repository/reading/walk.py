"""Pages in order of id by walking a stretch of the ids: not all that matches is found and sorted first.

Ids are hashes, spread evenly: a share of their range holds that share of the records, whatever they say.
How far to walk follows from what this viewer was shown on the way and from the size of the store alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import Reader, select
from exchange.repository.storage.parameters import Parameter

FIRST = 256
"""Records in the first stretch; looking at them costs less than half a millisecond."""

SECOND = 4096
"""Records in the stretch after an empty one: what is not in it either is rare enough to be found whole."""

FIRST_PEOPLE = 64
"""Patients in the first stretch: of each it is asked whether he is seen, and who is the same person."""

START = UUID(int=0)
_NOT_FOUND = frozenset({"not", "not-in", "missing", "contains"})
_MARGIN = 1.5
_MATCH_COSTS = 8  # finding a match by its code, and sorting it, beside looking at one record on the way
_LAST = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ids after one, as `share` of all there can be."""

    after: UUID
    share: float

    @property
    def until(self) -> UUID:
        """Its last id."""
        return UUID(int=min(self.after.int + int(_LAST * min(self.share, 1.0)), _LAST))

    def sql(self, arguments: Arguments, column: str) -> str:
        """Both ends: by one alone a plan that does not know its value takes it for a third of the table."""
        after, until = arguments.add(self.after), arguments.add(self.until)
        return f"{column} > {after} AND {column} <= {until}"

    def holds(self, one: UUID) -> bool:
        """Whether an id is within it."""
        return self.after < one <= self.until

    @property
    def is_last(self) -> bool:
        """Whether there is no id behind it.

        >>> Stretch(UUID(int=_LAST - 5), 0.01).is_last, Stretch(START, 0.01).is_last
        (True, False)
        """
        return self.until.int == _LAST


def walks(query: Query) -> bool:
    """Whether a page can be found so: in order of id, among the records of everybody."""
    where = query.where
    by_id = [(key.name, key.descending) for key in query.sort] == [("_id", False)]
    asks = where.criteria or where.chains or where.reverses or where.updated
    return by_id and bool(asks) and not names_people(query)


def names_people(query: Query) -> bool:
    """Whether it is asked about some people, or some records, and not about everybody."""
    where = query.where
    chained = any(chain.parameter.subject for chain in where.chains)
    return bool(where.patients or where.ids or chained) or where.among is not None


def is_found_by_index(query: Query) -> bool:
    """Whether an index leads to what is asked: to what must not be said, or one of two may say, none does."""
    return all(c.modifier not in _NOT_FOUND and not c.parameter.unites for c in query.where.criteria)


def walks_people(query: Query) -> bool:
    """The same for golden Patients, all of them too, unless what is asked tells people apart.

    Names, dates and identifiers are found by their index; what refers to people, for everybody at once.
    """
    where = query.where
    by_id = [(key.name, key.descending) for key in query.sort] == [("_id", False)]
    told = any(_tells_apart(criterion.parameter) for criterion in where.criteria)
    return by_id and not (told or where.ids or where.reverses or where.among is not None)


def _tells_apart(parameter: Parameter) -> bool:
    own = {place.datatype for place in parameter.places} & {"Identifier", "ContactPoint"}
    return parameter.kind in ("string", "date") or bool(own)


def wider(stretch: Stretch, found: int, wanted: int, stored: int) -> Stretch | None:
    """The stretch in which so many should be, after a shorter one had fewer; None when seeking costs less.

    >>> wider(Stretch(START, 0.01), 10, 20, 100_000).share
    0.03
    >>> wider(Stretch(START, 0.256), 2, 21, 1000) is None
    True
    """
    share = enough(stretch.share, found, wanted, stored)
    return Stretch(stretch.after, share) if share else None


def enough(share: float, found: int, wanted: int, stored: int) -> float | None:
    """The share of all records in which so many should be, as `wider` says it."""
    if not found:
        return None
    longer = share * wanted / found * _MARGIN
    matches = found / share
    return longer if longer * stored < _MATCH_COSTS * matches else None


_STORED = """
SELECT CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE 8 END
    * pg_relation_size(oid) / current_setting('block_size')::int
FROM pg_class WHERE oid = %s::regclass
"""


def stored_records(reader: Reader, table: Literal["resource", "patient"] = "resource") -> int:
    """About how many rows a table has, seen or not: as the planner estimates it, from its size now."""
    return int(select(reader, _STORED, (table,))[0][0])

"""Which chunks of a run may be published at the same time: those that have nothing to do with each other.

Publishing keeps a person's records from other writers, but not a partner's records from each other: a label
follows references whoever they are about, and what no record claims any more is deleted. Two partners never
name each other's records; two chunks of one partner may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from exchange.model.fhir import patient_of

Row = dict[str, Any]


class Footprint(NamedTuple):
    """What a chunk says and of whom.

    `states`: its records' keys and the `Type/id` that they claim; `refers`: all to which its resources refer;
    both with what was stored before, which it may take back. `patients`: ids of those they are about. A chunk
    that deletes, or says something on a condition, must be `alone`: it depends on all that is there.
    """

    alone: bool
    states: frozenset[str]
    refers: frozenset[str]
    patients: frozenset[str]

    def to_json(self) -> Row:
        """As a batch holds it."""
        return {
            name: list(found) if isinstance(found, frozenset) else found
            for name, found in self._asdict().items()
        }

    @classmethod
    def from_json(cls, row: Row) -> Footprint:
        """The reverse of `to_json`."""
        return cls(row["alone"], *(frozenset(row[name]) for name in cls._fields[1:]))


_NOTHING = frozenset[str]()
ALONE = Footprint(True, _NOTHING, _NOTHING, _NOTHING)


def footprint_of(rows: Sequence[Row], claimed: Iterable[str] = (), referred: Iterable[str] = ()) -> Footprint:
    """Of a chunk's rows as they are published; what they claimed before, and to what that referred."""
    if any(map(_depends_on_all, rows)):
        return ALONE
    items = [item for row in rows for item in row["resources"]]
    return Footprint(
        False,
        frozenset(f"{row['feed']} {row['key']}" for row in rows).union(
            claimed, *(row["ids"] for row in rows)
        ),
        frozenset(referred).union(*(item["refers"] for item in items)),
        frozenset(filter(None, (patient_of(item["resource"]) for item in items))),
    )


def _depends_on_all(row: Row) -> bool:
    takes_back = row["deleted"] or row["deletes"] or row["merges"] or row["snapshots"]
    consents = any(reference.startswith("Consent/") for reference in row["ids"])
    return bool(takes_back or row["conditional"] or consents)


def may_change_places(one: Footprint, other: Footprint) -> bool:
    """Whether it is all the same which of them is published first.

    >>> first = ALONE._replace(alone=False, states=frozenset({"Flag/1"}))
    >>> may_change_places(first, first._replace(states=frozenset({"Flag/2"})))
    True
    >>> may_change_places(first, first._replace(states=frozenset({"Flag/2"}), refers=frozenset({"Flag/1"})))
    False
    """
    if one.alone or other.alone:
        return False
    stated = one.states.isdisjoint(other.states)
    return stated and one.states.isdisjoint(other.refers) and other.states.isdisjoint(one.refers)


def next_apart(waiting: Sequence[Footprint], running: Iterable[Footprint]) -> int | None:
    """The place of the first that may be published beside those `running` and before those it passes by.

    Of two that are about one person the later would wait for the other with all that it holds.
    """
    busy = list(running)
    for place, found in enumerate(waiting):
        beside = all(
            may_change_places(found, other) and found.patients.isdisjoint(other.patients) for other in busy
        )
        if beside and all(may_change_places(found, passed) for passed in waiting[:place]):
            return place
    return None

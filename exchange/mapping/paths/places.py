"""Places of an HL7 v2 message: segments seen together, and one repetition of a field."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from exchange.formats import hl7v2
from exchange.mapping.paths.grammar import Reader

SEGMENTS, FIELD = "segments", "field"
"""Kinds of places: segments seen together, a repetition or component of a field."""


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Where a group begins and what belongs to it.

    A segment of `starts` opens a new instance once the current one holds it or a later one of `starts`;
    a segment outside `members` (when given) closes it; one equal to the last opener in all of `same`
    continues the instance; `distinct` numbers instances that agree in these fields; what is in `own` is
    not looked for further out, so that an order without a specimen does not take that of its neighbour; from
    the first segment of `before` on there is no instance.
    """

    starts: tuple[str, ...]
    members: frozenset[str] = frozenset()
    same: tuple[str, ...] = ()
    same_when: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


class Place:
    """Segments seen together: the message, a group instance or one segment.

    What is not in it is looked for outward, except segments that are `members` of the group; `present` are
    the names of all segments of the message, so that nobody looks for others. `first` has of each name what
    `find` gives first: most fields are read of that.
    """

    __slots__ = (
        "delimiters", "first", "index", "members", "memo", "memos", "name", "occurrence", "outer", "present",
        "segments",
    )  # fmt: skip

    def __init__(
        self, name: str, segments: list[hl7v2.Segment], outer: Place | None, delimiters: hl7v2.Delimiters
    ) -> None:
        self.name, self.segments, self.outer, self.delimiters = name, segments, outer, delimiters
        self.occurrence = 0
        self.members: frozenset[str] = frozenset()
        self.memo: dict[Any, Any] = {}
        self.memos: list[dict[Any, Any]] = [] if outer is None else outer.memos
        self.memos.append(self.memo)
        self.first: dict[str, hl7v2.Segment]
        self.first = first = {} if outer is None else outer.first.copy()
        self.index: dict[str, list[hl7v2.Segment]]
        if len(segments) == 1:
            self.index = {segments[0][0]: segments}
            first[segments[0][0]] = segments[0]
        else:
            self.index = {}
            index = self.index
            for segment in segments:
                name = segment[0]
                if name in index:
                    index[name].append(segment)
                else:
                    index[name] = [segment]
                    first[name] = segment
        self.present: Collection[str] = self.index.keys() if outer is None else outer.present

    def keep_to(self, members: frozenset[str]) -> None:
        """From now on its `members` are not looked for further out."""
        self.members = members
        for name in members:
            if name not in self.index:
                self.first.pop(name, None)

    def forget(self) -> None:
        """Lets go of the message's places, which hold each other: else only a slow search would free them."""
        for memo in self.memos:
            memo.clear()

    def find(self, name: str) -> list[hl7v2.Segment]:
        """Segments of the nearest place that has any."""
        place: Place | None = self
        while place is not None:
            if found := place.index.get(name):
                return found
            if name in place.members:
                return []
            place = place.outer
        return []

    def says(self, name: str, number: int) -> bool:
        """Whether a segment of the name, of those that are here, has text in the field."""
        for segment in self.index.get(name, ()):  # noqa: SIM110 - a generator takes three times as long
            if len(segment) > number and segment[number]:
                return True
        return False

    def chain(self) -> Iterator[Place]:
        """This place and those around it."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.outer


class Field:
    """One repetition (parts are components) or one component (parts are subcomponents).

    `origin` is the path it was selected by, which with its number in the place's memo says where it stands.
    """

    __slots__ = ("delimiters", "first", "memo", "origin", "parts", "place", "present", "text")

    def __init__(self, text: str, separator: str, place: Place, origin: str) -> None:
        self.origin = origin
        self.text, self.parts = text, text.split(separator)
        self.place, self.first, self.present = place, place.first, place.present
        self.delimiters = place.delimiters
        self.memo: dict[Any, Any] = {}

    def find(self, name: str) -> list[hl7v2.Segment]:
        return self.place.find(name)

    def chain(self) -> Iterator[Place]:
        return self.place.chain()


@dataclass(frozen=True, slots=True)
class Group:
    """A rule under its name, with the readers of `same` and `distinct`."""

    name: str
    rule: GroupRule
    same: tuple[Reader, ...]
    distinct: tuple[Reader, ...]


def single_segments(place: Place, name: str) -> list[Place]:
    """Each segment of a name as a place of its own."""
    if name not in place.memo:
        places = [Place(name, [segment], place, place.delimiters) for segment in place.index[name]]
        for number, inner in enumerate(places):
            inner.occurrence = number
        place.memo[name] = places
    known: list[Place] = place.memo[name]
    return known


def instances(group: Group, place: Place) -> list[Place]:
    """The instances of a group among a place's segments, cut once."""
    if group.name not in place.memo:
        cut = [Place(group.name, segments, place, place.delimiters) for segments in _cut(group, place)]
        _number(cut, group)
        place.memo[group.name] = cut
    known: list[Place] = place.memo[group.name]
    return known


def _cut(group: Group, place: Place) -> list[list[hl7v2.Segment]]:
    cut: list[list[hl7v2.Segment]] = []
    rule, is_open = group.rule, False
    for segment in place.segments:
        if segment[0] in rule.before:
            break
        if segment[0] in rule.starts:
            if not is_open or not _continues(cut[-1], segment, group, place):
                cut.append([])
            cut[-1].append(segment)
            is_open = True
        elif is_open and (not rule.members or segment[0] in rule.members):
            cut[-1].append(segment)
        else:
            is_open = False
    return cut


def _continues(current: list[hl7v2.Segment], segment: hl7v2.Segment, group: Group, place: Place) -> bool:
    rule = group.rule
    earlier = rule.starts[: rule.starts.index(segment[0])]
    if all(other[0] in earlier or other[0] not in rule.starts for other in current):
        return True
    if not group.same or current[0][0] != segment[0]:
        return False
    old, new = (Place("", [found], place, place.delimiters) for found in (current[0], segment))
    if rule.same_when and group.same[0](new, None) not in rule.same_when:
        return False
    return all(read(old, None) == read(new, None) for read in group.same)


def _number(places: list[Place], group: Group) -> None:
    """Instances that agree in `distinct` are numbered from 0 in the order sent."""
    members = group.rule.members | group.rule.own
    for place in places:
        place.keep_to(members)
    if not group.distinct:
        return
    seen: dict[tuple[Any, ...], int] = {}
    for place in places:
        key = tuple(read(place, None) for read in group.distinct)
        place.occurrence = seen.get(key, 0)
        seen[key] = place.occurrence + 1

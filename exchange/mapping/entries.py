"""Entries: what a record makes. Each is one resource type, the places it comes from and its key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.places import Place
from exchange.mapping.run import Run
from exchange.mapping.shapes import REMEMBERED
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

ANY = "*"
_DIRECTORY = frozenset(("Practitioner", "PractitionerRole", "Organization", "Location"))
"""What says who and where, and nothing about the patient."""


class Made(NamedTuple):
    """A resource, whether the record says it is gone, whether it only counts where none is known."""

    resource: Resource
    gone: bool
    conditional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A compiled entry; `key` gives the partner's own key, None for a copy of the source.

    A message of HL7 v2 without one of each that it `needs` gives it nothing, nor does one without text in
    each of the fields that it `wants`.
    Places of HL7 v2 are looked for `everywhere` outward; those of C-CDA are `elements`. A record that makes
    none is rejected as `required` says, if `needed` holds for it. What it makes under the key that `snapshot`
    gives around its places replaces what records sent before made under that key. `build` gives what is
    made at a place, None where a needed part of its key is missing. `select` gives of the places around it
    those where it makes one; seen from its `anchor`, a place of HL7 v2 at or around another, they are the
    same. Places `named` so are its own.
    """

    name: str
    resource: str
    within: Entry | None
    each: Reader | None
    when: Reader | None
    select: Callable[[list[Any], Run], list[Any]]
    key: Reader | None
    build: Callable[[Any, Run], Made | None]
    tell: Reader | None
    apart: Reader | None
    required: str
    needed: Reader | None
    everywhere: bool
    elements: bool = False
    needs: tuple[frozenset[str], ...] = ()
    wants: tuple[tuple[str, int], ...] = ()
    snapshot: Reader | None = None
    anchor: Callable[[Any, str], Any] | None = None
    named: str = ""

    def may_be(self, message: Any) -> bool:
        """Whether the fields that it wants say anything in a message."""
        for name, number in self.wants:  # noqa: SIM110 - a generator takes three times as long
            if not message.says(name, number):
                return False
        return True

    def places(self, node: Any, run: Run) -> list[Any]:
        """Where this entry makes a resource, seen from `node`."""
        if node is run.root:
            memo = run.places
        elif self.anchor is None:
            return self._places(node, run)
        else:
            node = self.anchor(node, self.named)
            memo = node.memo
        known: list[Any] | None = memo.get(self.select)
        if known is None:
            known = memo[self.select] = self._places(node, run)
        return known

    def _places(self, node: Any, run: Run) -> list[Any]:
        return self.select([node] if self.within is None else self.within.places(node, run), run)

    def own_places(self, here: str, run: Run) -> list[Any]:
        """Places that a reference in entry `here` means, where that `is_own`: its own, or those within it."""
        return [run.context] if here == self.name else self.select([run.context], run)

    def places_from(self, node: Any, run: Run) -> list[Any]:
        """Places that a reference in another entry means."""
        if self.named and type(node) is Place and node.name == self.named:
            return self._of_segment(node, run)
        return self.places(node if self.everywhere else run.root, run)

    def _of_segment(self, node: Place, run: Run) -> list[Any]:
        """Of the places seen from one `named` so those of its segment, told apart once for all of them."""
        if self.within is None:
            return [place for place in self.places(node, run) if place.segments[0] is node.segments[0]]
        around = self.within.places(node, run)
        by_segment: dict[int, list[Any]]
        known, by_segment = run.memo.get(self.select, (None, {}))
        if known is not around:
            by_segment = {}
            for place in self.select(around, run):
                by_segment.setdefault(id(place.segments[0]), []).append(place)
            run.memo[self.select] = around, by_segment
        return by_segment.get(id(node.segments[0]), [])

    def is_own(self, here: str) -> bool:
        """Whether a reference in entry `here` means a place of its own, or one within it."""
        return self.name == here or (
            self.within is not None and self.within.name == here and self.each is not None
        )

    def id_at(self, place: Any, run: Run) -> str | None:
        """Id of the resource made at a place; None when a needed part of its key is missing."""
        if not (self.everywhere or self.elements):
            return self._id(place, run)
        memo, name = (place.memo, self.build) if self.everywhere else (run.memo, (self.name, place))
        known: str | None = memo.get(name, "")
        if known == "":
            known = memo[name] = self._id(place, run)
        return known

    def _id(self, place: Any, run: Run) -> str | None:
        key = None if self.key is None else self.key(place, run)
        return None if key is None else run.resource_id(self.resource, key)

    def ids(self, run: Run) -> frozenset[str | None]:
        """The ids of all that the entry makes of the record."""
        name = f"ids of {self.name}"
        if name not in run.memo:
            places = self.places(run.root, run)
            run.memo[name] = frozenset(self.id_at(place, run) for place in places)
        known: frozenset[str | None] = run.memo[name]
        return known

    def reference(self, place: Any, run: Run) -> str | None:
        """`Type/id` of the resource made at a place."""
        if self.key is None:
            return f"{run.root['resourceType']}/{run.root['id']}"
        own = self.id_at(place, run)
        return None if own is None else f"{self.resource}/{own}"


class MessageKind:
    """What a kind of message makes: entries, of which a message reaches those that it has segments for.

    What is required is looked for in any.
    """

    __slots__ = ("entries", "reached")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        self.reached: dict[tuple[str, ...], tuple[Entry, ...]] = {}

    def by(self, segments: Collection[str]) -> tuple[Entry, ...]:
        """The entries for a message with segments of these names: few sets of names come again and again."""
        names = tuple(segments)
        known = self.reached.get(names)
        if known is None:
            if len(self.reached) >= REMEMBERED:
                self.reached.clear()
            found = [each for each in self.entries if each.required or not lacks(segments, each.needs)]
            known = self.reached[names] = tuple(found)
        return known


def lacks(segments: Collection[str], needs: Iterable[frozenset[str]]) -> bool:
    """Whether there is a need of which no segment is there."""
    return any(need.isdisjoint(segments) for need in needs)


def inside_of(
    entries: Mapping[str, Entry], here: str, around: Callable[[Any], Iterable[Any]], run: Run
) -> dict[Any, list[str]]:
    """By place of the entry `here`: references to what is made inside of it and about the patient."""
    holders = set(entries[here].places(run.root, run))
    inside: dict[Any, list[str]] = {}
    for entry in entries.values():
        if entry.name == here or entry.resource in _DIRECTORY:
            continue
        for place in entry.places(run.root, run):
            holder = next((outer for outer in around(place) if outer in holders), None)
            reference = None if holder is None else entry.reference(place, run)
            if reference is not None:
                inside.setdefault(holder, []).append(reference)
    return inside


def _true(value: Any) -> bool:
    return value is not None and value is not False


def make(entry: Entry, run: Run) -> list[Made]:
    """The resources of an entry; raises RecordRejected when a required one is missing."""
    if entry.snapshot is not None:
        _note_snapshots(entry, entry.snapshot, run)
    made: list[Made] = []
    build = entry.build
    for place in entry.places(run.root, run):
        run.context = place
        found = build(place, run)
        if found is None:
            _no_key(entry, run)
            continue
        if entry.tell is not None:
            entry.tell(place, run)
        if entry.apart is not None:
            found = found._replace(resource=_apart(found.resource, entry.apart(place, run), run))
        made.append(found)
        run.made_at.append((place, run.inside))
    if not made and entry.required and (entry.needed is None or holds(entry.needed, run.root, run)):
        raise RecordRejected(entry.required, code="required", expression=entry.resource)
    return made


def _note_snapshots(entry: Entry, key: Reader, run: Run) -> None:
    """What the record makes under each key, where it speaks of such things at all: `""` alone makes none."""
    around = [run.root] if entry.within is None else entry.within.places(run.root, run)
    for outer in around:
        places = entry.select([outer], run)
        name = key(outer, run) if places or (entry.each is not None and entry.each(outer, run)) else None
        if name is not None:
            members = run.snapshots.setdefault(run.resource_id("snapshot", f"{entry.name}|{name}"), {})
            for place in places:
                members[entry.reference(place, run)] = None


def holds(condition: Reader | None, place: Any, run: Run) -> bool:
    """Whether there is a condition and it is true at a place."""
    return condition is not None and _true(condition(place, run))


def _apart(resource: Resource, address: str, run: Run) -> Resource:
    """The resource under an id of its own where the source gave one id to different things."""
    own, kind = resource["id"], resource["resourceType"]
    seen: dict[str, Resource] = run.memo.setdefault("apart", {})
    if seen.setdefault(own, resource) == resource:
        return resource
    run.note("information", "duplicate", f"an id stands for more than one {kind}", kind, "")
    return {**resource, "id": run.resource_id(kind, f"{own}|{address}")}


def _no_key(entry: Entry, run: Run) -> None:
    detail = f"no {entry.resource} was made: a part of its key is empty"
    run.note("warning", "required", detail, entry.resource, f"entry {entry.name}")

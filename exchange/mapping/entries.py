"""Entries: what a record makes. Each is one resource type, the places it comes from and its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exchange.mapping.paths.grammar import Reader
from exchange.mapping.run import Run
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

ANY = "*"
_DIRECTORY = frozenset(("Practitioner", "PractitionerRole", "Organization", "Location"))
"""What says who and where, and nothing about the patient."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A compiled entry; `key` parts are (reader, may it be missing), none for a copy of the source.

    Without its HL7 v2 `segment` (`` where there is none to look for) a message gives it nothing.
    Places of HL7 v2 are looked for `everywhere` outward; those of C-CDA are `elements`. A record that makes
    none is rejected as `required` says, if `needed` holds for it. What it makes under the key that `snapshot`
    gives around its places replaces what records sent before made under that key. `build` gives what
    `made_at` does, without reading all of it again where that is known.
    """

    name: str
    resource: str
    within: Entry | None
    each: Reader | None
    when: Reader | None
    key: tuple[tuple[Reader, bool], ...]
    fields: tuple[tuple[tuple[str, ...], Reader], ...]
    profile: Reader | None
    deleted: Reader | None
    conditional: Reader | None
    tell: Reader | None
    apart: Reader | None
    required: str
    needed: Reader | None
    everywhere: bool
    elements: bool = False
    segment: str = ""
    snapshot: Reader | None = None
    build: Reader | None = None

    def places(self, node: Any, run: Run) -> list[Any]:
        """Where this entry makes a resource, seen from `node`."""
        if node is not run.root:
            return self._places(node, run)
        known = run.places.get(self.name)
        if known is None:
            known = run.places[self.name] = self._places(node, run)
        return known

    def _places(self, node: Any, run: Run) -> list[Any]:
        outer = [node] if self.within is None else self.within.places(node, run)
        found = outer if self.each is None else [at for place in outer for at in self.each(place, run)]
        return found if self.when is None else [place for place in found if _true(self.when(place, run))]

    def places_from(self, here: str, node: Any, run: Run) -> list[Any]:
        """Places that a reference in entry `here` means: its own, those within it, or the record's."""
        if here == self.name:
            return [run.context]
        if self.within is not None and self.within.name == here and self.each is not None:
            found = self.each(run.context, run)
            return found if self.when is None else [place for place in found if _true(self.when(place, run))]
        return self.places(node if self.everywhere else run.root, run)

    def same_from(self, here: str) -> bool:
        """Whether a reference in entry `here` means the same wherever in the record it stands."""
        inside = self.within is not None and self.within.name == here and self.each is not None
        return not (self.everywhere or self.name == here or inside)

    def key_of(self, place: Any, run: Run) -> str | None:
        """The partner's own key of the resource; None when a needed part is missing."""
        parts = []
        for read, optional in self.key:
            part = read(place, run)
            if part is not None:
                parts.append(str(part))
            elif not optional:
                return None
        return "|".join(parts) or None

    def id_at(self, place: Any, run: Run) -> str | None:
        """Id of the resource made at a place; None when a needed part of its key is missing."""
        if not (self.everywhere or self.elements):
            key = self.key_of(place, run)
            return None if key is None else run.resource_id(self.resource, key)
        memo, name = (place.memo, f"-> {self.name}") if self.everywhere else (run.memo, (self.name, place))
        known: str | None = memo.get(name, "")
        if known == "":
            key = self.key_of(place, run)
            known = memo[name] = None if key is None else run.resource_id(self.resource, key)
        return known

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
        if not self.key:
            return f"{run.root['resourceType']}/{run.root['id']}"
        own = self.id_at(place, run)
        return None if own is None else f"{self.resource}/{own}"


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


@dataclass(frozen=True, slots=True)
class Made:
    """A resource, whether the record says it is gone, whether it only counts where none is known."""

    resource: Resource
    gone: bool
    conditional: bool


def make(entry: Entry, run: Run) -> list[Made]:
    """The resources of an entry; raises RecordRejected when a required one is missing."""
    if entry.snapshot is not None:
        _note_snapshots(entry, entry.snapshot, run)
    made: list[Made] = []
    seen: dict[str, Resource] = run.memo.setdefault("apart", {})
    build = entry.build or partial(made_at, entry)
    for place in entry.places(run.root, run):
        run.context = place
        found: Made | None = build(place, run)
        if found is None:
            _no_key(entry, run)
            continue
        if entry.tell is not None:
            entry.tell(place, run)
        if entry.apart is not None:
            found = replace(found, resource=_apart(found.resource, seen, entry.apart(place, run), run))
        made.append(found)
    if not made and entry.required and (entry.needed is None or holds(entry.needed, run.root, run)):
        raise RecordRejected(entry.required, code="required", expression=entry.resource)
    return made


def made_at(entry: Entry, place: Any, run: Run) -> Made | None:
    """What an entry makes at a place; None when a needed part of its key is missing."""
    resource = _begin(entry, place, run)
    if resource is None:
        return None
    for path, read in entry.fields:
        value = read(place, run)
        if value is not None:
            if len(path) == 1:
                resource[path[0]] = value
            else:
                _put(resource, path, value)
    if entry.profile is not None:
        _claim(resource, entry.profile(place, run))
    return Made(resource, holds(entry.deleted, place, run), holds(entry.conditional, place, run))


def _note_snapshots(entry: Entry, key: Reader, run: Run) -> None:
    """What the record makes under each key, where it speaks of such things at all: `""` alone makes none."""
    around = [run.root] if entry.within is None else entry.within.places(run.root, run)
    for outer in around:
        places = entry.each(outer, run) if entry.each is not None else []
        name = key(outer, run) if places else None
        if name is not None:
            members = run.snapshots.setdefault(run.resource_id("snapshot", f"{entry.name}|{name}"), {})
            for place in places:
                if entry.when is None or _true(entry.when(place, run)):
                    members[entry.reference(place, run)] = None


def holds(condition: Reader | None, place: Any, run: Run) -> bool:
    """Whether there is a condition and it is true at a place."""
    return condition is not None and _true(condition(place, run))


def _begin(entry: Entry, place: Any, run: Run) -> Resource | None:
    if not entry.key:
        return {**run.root, "meta": {**run.root["meta"], "source": run.source}}
    own = entry.id_at(place, run)
    if own is None:
        return None
    return {
        "resourceType": entry.resource,
        "id": own,
        "meta": {"source": run.source},
    }


def _apart(resource: Resource, seen: dict[str, Resource], address: str, run: Run) -> Resource:
    """The resource under an id of its own where the source gave one id to different things."""
    own, kind = resource["id"], resource["resourceType"]
    if seen.setdefault(own, resource) == resource:
        return resource
    run.note("information", "duplicate", f"an id stands for more than one {kind}", kind, "")
    return {**resource, "id": run.resource_id(kind, f"{own}|{address}")}


def _no_key(entry: Entry, run: Run) -> None:
    detail = f"no {entry.resource} was made: a part of its key is empty"
    run.note("warning", "required", detail, entry.resource, f"entry {entry.name}")


def _put(resource: Resource, path: tuple[str, ...], value: Any) -> None:
    target = resource
    for step in path[:-1]:
        inner = target.get(step)
        target[step] = target = dict(inner) if isinstance(inner, dict) else {}
    target[path[-1]] = value


def _claim(resource: Resource, profiles: Any) -> None:
    claimed = dict.fromkeys([*resource["meta"].get("profile", ()), *profiles])
    if claimed:
        resource["meta"]["profile"] = list(claimed)

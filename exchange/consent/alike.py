"""Who is decided alike: one of them is decided, and all get the answer.

Rules know participants by facts (conditions.py) and compare codes only with each other; consents know them by
the names that stand in them (trees.py). Requesters and classes that differ in nothing else are decided alike.
tests/consent/test_alike.py compares with what everybody gets by himself, on requests drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import intervals
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.participants import Participant
from exchange.consent.rules.gates import nameless, types_told_apart
from exchange.consent.standing import REPOSITORY, participant_of, standing
from exchange.model.records import Decision, Viewer

Permits = list[tuple[datetime, datetime, Decision]]

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Alike:
    """Viewers who get the same permits for a class."""

    number: int
    viewers: tuple[Viewer, ...]
    permits: Permits


def permits_of_all(
    classes: Mapping[int, DisclosureClass],
    viewers: Sequence[Viewer],
    context: Context,
    start: datetime,
    horizon: datetime,
) -> Iterator[Alike]:
    """intervals() for every class and viewer; who is permitted nothing is left out."""
    askers = _askers(viewers, context)
    numbers: dict[_Key, int] = {}
    alike: dict[tuple[object, str], list[_Group]] = {}
    answers: dict[tuple[int, int], Permits] = {}
    for number, cls in classes.items():
        among = (cls.profile, cls.source)
        if among not in alike:
            alike[among] = [
                _Group(numbers.setdefault(key, len(numbers)), group)
                for key, group in _grouped(cls, askers, context).items()
            ]
        own = numbers.setdefault(_class_kind(cls, context), len(numbers))
        for group in alike[among]:
            permits = answers.get((own, group.kind))
            if permits is None:
                permits = intervals(cls, group.viewers[0], context, start, horizon)
                answers[own, group.kind] = permits
            if permits:
                yield Alike(number, group.viewers, permits)


class _Group(NamedTuple):
    kind: int
    viewers: tuple[Viewer, ...]


@dataclass(frozen=True, slots=True)
class _Askers:
    """Viewers by what rules may ask of them, and by every name a consent may call them."""

    kinds: Mapping[Viewer, _Key]
    groups: Mapping[_Key, tuple[Viewer, ...]]
    called: Mapping[str, tuple[Viewer, ...]]


def _askers(viewers: Sequence[Viewer], context: Context) -> _Askers:
    groups: dict[_Key, list[Viewer]] = {}
    called: dict[str, list[Viewer]] = {}
    for viewer in viewers:
        groups.setdefault(_kind(viewer, context), []).append(viewer)
        asking = standing(viewer, context)
        for name in {viewer.participant, *(asking.wider if asking else ())}:
            called.setdefault(name, []).append(viewer)
    return _Askers(
        {viewer: kind for kind, group in groups.items() for viewer in group},
        {kind: tuple(group) for kind, group in groups.items()},
        {name: tuple(group) for name, group in called.items()},
    )


def _grouped(cls: DisclosureClass, askers: _Askers, context: Context) -> dict[_Key, tuple[Viewer, ...]]:
    """Viewers by their kind; whom the consents of this class name, and its source, by how they do."""
    named = _named(cls.profile)
    special = {viewer for name in {cls.source, *named} for viewer in askers.called.get(name, ())}
    found: dict[_Key, tuple[Viewer, ...]] = {}
    for kind, group in askers.groups.items():
        others = group if special.isdisjoint(group) else tuple(v for v in group if v not in special)
        if others:
            found[kind, False, frozenset(), frozenset()] = others
    for viewer in special:
        asking = standing(viewer, context)
        names = (asking.names & named, asking.wider & named) if asking else (frozenset(), frozenset())
        key = (askers.kinds[viewer], viewer.participant == cls.source, *names)
        found[key] = (*found.get(key, ()), viewer)
    return found


def _kind(viewer: Viewer, context: Context) -> _Key:
    """Who asks, by what rules may ask of him."""
    return (_facts(viewer.participant, context), viewer.role, viewer.purpose)


def _class_kind(cls: DisclosureClass, context: Context) -> _Key:
    """A source counts by name only where a consent names it; a type only where a rule does."""
    source = cls.source if cls.source in _named(cls.profile) else ""
    kind = cls.type if cls.type in types_told_apart(context.rules) else ""
    return (_facts(cls.source, context), replace(cls, source=source, type=kind))


def _facts(code: str, context: Context) -> tuple[bool, Participant | None]:
    """What rules may ask of a participant: not what he is called."""
    found = participant_of(code, context)
    return (code == REPOSITORY.participant, nameless(found) if found else None)


@lru_cache(maxsize=65536)
def _named(profile: Profile | None) -> frozenset[str]:
    """Every name of somebody that stands in the consents."""
    if profile is None:
        return frozenset()
    organizations = (name for statement in profile.statements for name in statement.organizations)
    return frozenset(organizations).union(*(_actors(statement.root) for statement in profile.statements))


def _actors(provision: Provision) -> frozenset[str]:
    own = frozenset((*provision.actors, *(member.code for member in provision.members)))
    return own.union(*(_actors(child) for child in provision.provisions))

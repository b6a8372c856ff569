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
from typing import Literal, NamedTuple

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import intervals
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.participants import Participant
from exchange.consent.rules.gates import nameless, types_told_apart
from exchange.consent.rules.ruleset import Rules
from exchange.consent.standing import REPOSITORY, participant_of, standing
from exchange.model.records import Decision, Viewer

Permits = list[tuple[datetime, datetime, Decision]]
Asking = Literal["any", "access", "disclose"]

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Alike:
    """Viewers who get the same permits for a class; `action`: `any` where asking and being sent are alike."""

    number: int
    viewers: tuple[Viewer, ...]
    permits: Permits
    action: Asking


def permits_of_all(
    classes: Mapping[int, DisclosureClass],
    viewers: Sequence[Viewer],
    context: Context,
    start: datetime,
    horizon: datetime,
) -> Iterator[Alike]:
    """intervals() for every class, viewer and action; who is permitted nothing is left out."""
    askers = _askers(viewers, context)
    numbers: dict[_Key, int] = {}
    alike: dict[tuple[object, str], list[_Group]] = {}
    answers: dict[tuple[int, int], dict[Asking, Permits]] = {}
    for number, cls in classes.items():
        among = (cls.profile, cls.source)
        if among not in alike:
            alike[among] = [
                _Group(numbers.setdefault(key, len(numbers)), group)
                for key, group in _grouped(cls, askers, context).items()
            ]
        own = numbers.setdefault(_class_kind(cls, context), len(numbers))
        for group in alike[among]:
            answer = answers.get((own, group.kind))
            if answer is None:
                answer = _by_action(cls, group.viewers[0], context, start, horizon)
                answers[own, group.kind] = answer
            for action, permits in answer.items():
                yield Alike(number, group.viewers, permits, action)


def _by_action(
    cls: DisclosureClass, viewer: Viewer, context: Context, start: datetime, horizon: datetime
) -> dict[Asking, Permits]:
    """What is permitted for each action, once where the answers are the same; no permit, no entry."""
    if viewer == REPOSITORY:
        found: dict[Asking, Permits] = {"any": intervals(cls, viewer, context, start, horizon)}
    else:
        found = {"any": intervals(cls, viewer, context, start, horizon, "access")}
        if _told_apart(cls.profile, viewer.purpose, context):
            disclose = intervals(cls, viewer, context, start, horizon, "disclose")
            if disclose != found["any"]:
                found = {"access": found["any"], "disclose": disclose}
    return {action: permits for action, permits in found.items() if permits}


def _told_apart(profile: Profile | None, purpose: str, context: Context) -> bool:
    """Whether a consent or a rule may answer another thing to who asks than to who is sent something."""
    return _consents_tell_apart(profile) or _rules_tell_apart(context.rules, purpose)


@lru_cache(maxsize=1024)
def _rules_tell_apart(rules: Rules, purpose: str) -> bool:
    granted = rules.vocabulary.granted
    conditions = [c for rule in rules.rules for c in (rule.policy.when, *rule.policy.unless)]
    return any(
        _one_of_two(condition.action)
        and (not condition.purpose or any(purpose in granted[named] for named in condition.purpose))
        for condition in conditions
    )


@lru_cache(maxsize=65536)
def _consents_tell_apart(profile: Profile | None) -> bool:
    return profile is not None and any(_provision_tells_apart(one.root) for one in profile.statements)


def _provision_tells_apart(provision: Provision) -> bool:
    return _one_of_two(provision.actions) or any(map(_provision_tells_apart, provision.provisions))


def _one_of_two(actions: Sequence[str]) -> bool:
    return ("access" in actions) != ("disclose" in actions)


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

"""SMART system scopes, version 1 and 2 (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from exchange.repository import Criteria, parameters, scope_criteria, scope_setting

ANY_TYPE = "*"
READING = frozenset("rs")
_SCOPE = re.compile(
    r"system/(?P<type>\*|[A-Z][A-Za-z]{1,63})\.(?P<actions>read|write|\*|c?r?u?d?s?)(?:\?(?P<where>\S{1,500}))?"
)
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_ORDER = "cruds"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """A resource type, or `*`, what may be done with it (letters of `cruds`), and which resources of it.

    `where` are search parameters that must all match; those of no constraint are none.
    """

    type: str
    actions: frozenset[str]
    where: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        letters = "".join(letter for letter in _ORDER if letter in self.actions)
        narrowed = f"?{urlencode(self.where, safe='|:/,')}" if self.where else ""
        return f"system/{self.type}.{letters}{narrowed}"


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes of a string; unknown ones, and constraints that are not served, are left out whole.

    >>> [str(s) for s in parse_scopes("system/*.read launch system/Group.cruds user/*.rs")]
    ['system/*.rs', 'system/Group.cruds']
    >>> [str(s) for s in parse_scopes("system/Observation.rs?category=laboratory&status=final,amended")]
    ['system/Observation.rs?category=laboratory&status=final,amended']
    >>> parse_scopes("system/Observation.rs?date=gt2020 system/*.rs?category=laboratory")
    ()
    """
    found = [match for word in text.split()[:_MOST] if (match := _SCOPE.fullmatch(word))]
    parsed = [_scope(match) for match in found]
    return tuple(dict.fromkeys(scope for scope in parsed if scope and scope.actions))


def _scope(match: re.Match[str]) -> Scope | None:
    actions = frozenset(_VERSION_1.get(match["actions"], match["actions"]))
    if match["where"] is None:
        return Scope(match["type"], actions)
    where = tuple(sorted(set(parse_qsl(match["where"], keep_blank_values=True))))
    # A constraint speaks of what is there; nothing written could be measured by it.
    return Scope(match["type"], actions & READING, where) if _served(match["type"], where) else None


def _served(resource_type: str, where: tuple[tuple[str, str], ...]) -> bool:
    return bool(where) and all(scope_criteria(resource_type, *pair) is not None for pair in where)


def narrow(asked: Iterable[Scope], allowed: Iterable[Scope]) -> tuple[Scope, ...]:
    """What both sides say: never more than was asked for, never more than was registered.

    >>> [str(s) for s in narrow(parse_scopes("system/*.rs"), parse_scopes("system/Patient.r system/Task.s"))]
    ['system/Patient.r', 'system/Task.s']
    >>> [str(s) for s in narrow(parse_scopes("system/*.rs"), parse_scopes("system/Condition.rs?code=C1"))]
    ['system/Condition.rs?code=C1']
    """
    allowed = tuple(allowed)
    both = [
        Scope(
            one.type if other.type == ANY_TYPE else other.type,
            one.actions & other.actions,
            tuple(sorted({*one.where, *other.where})),
        )
        for one in asked
        for other in allowed
        if ANY_TYPE in (one.type, other.type) or one.type == other.type
    ]
    return tuple(dict.fromkeys(scope for scope in both if scope.actions))


def allows(scopes: Iterable[Scope], resource_type: str, action: str) -> bool:
    """Whether `action` (a letter of `cruds`) is granted on some of the type; `*` asks for every type."""
    return any(
        action in scope.actions and scope.type in (ANY_TYPE, resource_type)
        for scope in scopes
        if resource_type != ANY_TYPE or not scope.where
    )


def reach(scopes: Iterable[Scope], searched: str = "", action: str = "r") -> str:
    """What the token reaches, for `reader()`: of type `searched` by `action`, of others by `r`; "" is all.

    >>> reach(parse_scopes("system/*.rs")), reach(parse_scopes("system/*.r system/Task.s"), "Task", "s")
    ('', '')
    >>> reach(parse_scopes("system/Patient.rs"))
    '{"Patient":true}'
    """
    held = tuple(scopes)
    named = {*parameters(), *(scope.type for scope in held), searched} - {ANY_TYPE, ""}
    rest = _criteria(held, ANY_TYPE, "r")
    by_type = {name: _criteria(held, name, action if name == searched else "r") for name in sorted(named)}
    if rest is None and all(found is None for found in by_type.values()):
        return ""
    return scope_setting({**by_type, **({ANY_TYPE: None} if rest is None else {})})


def reach_of_search(scopes: Iterable[Scope]) -> str:
    """What a search of every type at once reaches, for `reader()`: of each type what `s` alone allows.

    >>> reach_of_search(parse_scopes("system/Patient.rs system/Task.r"))
    '{"Patient":true}'
    """
    return reach(replace(scope, actions=frozenset("r")) for scope in scopes if "s" in scope.actions)


def _criteria(scopes: Iterable[Scope], resource_type: str, action: str) -> tuple[Criteria, ...] | None:
    """One of these must hold for a resource of the type; None: every one is reached, (): none is."""
    fitting = [s for s in scopes if action in s.actions and s.type in (ANY_TYPE, resource_type)]
    if any(not scope.where for scope in fitting):
        return None
    found = [[scope_criteria(resource_type, *pair) for pair in scope.where] for scope in fitting]
    return tuple(tuple(filter(None, criteria)) for criteria in found)

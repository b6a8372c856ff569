"""SMART system scopes, version 1 and 2 (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANY_TYPE = "*"
_SCOPE = re.compile(r"system/(?P<type>\*|[A-Z][A-Za-z]{1,63})\.(?P<actions>read|write|\*|c?r?u?d?s?)")
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class Scope:
    """A resource type, or `*`, and what may be done with it: letters of `rs`, for nobody writes here."""

    type: str
    actions: frozenset[str]

    def __str__(self) -> str:
        return f"system/{self.type}.{''.join(sorted(self.actions))}"


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The read and search parts of a scope string; unknown scopes and those constrained by `?` are left out.

    >>> [str(scope) for scope in parse_scopes("system/*.read system/Patient.cruds launch system/Task.u")]
    ['system/*.rs', 'system/Patient.rs']
    """
    found = [match for word in text.split() if (match := _SCOPE.fullmatch(word))]
    parsed = [Scope(match["type"], _actions(match["actions"])) for match in found]
    return tuple(dict.fromkeys(scope for scope in parsed if scope.actions))


def narrow(asked: Iterable[Scope], allowed: Iterable[Scope]) -> tuple[Scope, ...]:
    """What both sides say: never more than was asked for, never more than was registered.

    >>> [str(s) for s in narrow(parse_scopes("system/*.rs"), parse_scopes("system/Patient.r system/Task.s"))]
    ['system/Patient.r', 'system/Task.s']
    """
    allowed = tuple(allowed)
    both = [
        Scope(one.type if other.type == ANY_TYPE else other.type, one.actions & other.actions)
        for one in asked
        for other in allowed
        if ANY_TYPE in (one.type, other.type) or one.type == other.type
    ]
    return tuple(dict.fromkeys(scope for scope in both if scope.actions))


def allows(scopes: Iterable[Scope], resource_type: str, action: str) -> bool:
    """Whether `action` (r or s) on `resource_type` is granted; type `*` asks for every type."""
    return any(action in scope.actions and scope.type in (ANY_TYPE, resource_type) for scope in scopes)


def _actions(text: str) -> frozenset[str]:
    return frozenset(_VERSION_1.get(text, text)) & {"r", "s"}

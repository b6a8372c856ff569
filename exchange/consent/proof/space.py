"""The attribute space: every request for a record that the rules can tell apart, each kind of them once.

A condition asks each attribute (who sends, who asks, why, what for, which label …) by itself and is true when
all its answers are. So each value of an attribute is a row of bits, one for each condition, and values with
equal rows need to be looked at once. Rows are combined by AND, attribute by attribute, and equal ones dropped
on the way: what is left is the whole space, in thousands instead of billions.

One label atom at a time is enough: decide() asks for each atom by itself and permits when all are permitted,
so whatever a record with several atoms gets, each record with one of them gets too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from exchange.consent.participants import Participant
from exchange.consent.proof.space_bits import Guarded, Layout, Value, layout_of, least
from exchange.consent.proof.space_values import ABOVE, ASKING, COLLECTING, PLAIN, SOURCE, attributes
from exchange.consent.rules.policies import Condition
from exchange.consent.rules.ruleset import Rules
from exchange.consent.standing import REPOSITORY

__all__ = ["ABOVE", "REPOSITORY_CODE", "SOURCE", "Point", "Search", "plainer", "points"]

REPOSITORY_CODE = REPOSITORY.participant


@dataclass(frozen=True, slots=True)
class Point:
    """One kind of request; `rules`: bits of the rules that apply, `told`: of the conditions asked that hold.

    `requester` is the source itself where both are one organization.
    """

    source: Participant
    requester: Participant
    role: str
    purpose: str
    action: str
    type: str
    about: str
    confidentiality: str
    labels: tuple[str, ...]
    at: datetime
    rules: int = 0
    told: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: points where the conditions of the bits `needed` hold and no rule of `closed` does.

    Bits are those of `rules` followed by those of `asked`. Only rules in force at `since` or later count.
    """

    rules: Rules
    since: datetime
    asked: tuple[Condition, ...] = ()
    needed: int = 0
    closed: int = 0


def points(search: Search) -> Iterator[Point]:
    """Every kind of request under the rules that is looked for."""
    rules = search.rules
    conditions: list[Guarded] = [(rule.policy.when, rule.policy.unless) for rule in rules.rules]
    conditions += [(condition, ()) for condition in search.asked]
    layout = layout_of(conditions, rules.vocabulary)
    number = len(rules.rules)
    for actions in (ASKING, COLLECTING):
        for value in _joined(layout, attributes(layout, conditions, rules, search.since, actions), search):
            held = value.bits
            fields = {**value.fields}
            atom, marks = fields.pop("atom"), fields.pop("marks")
            labels = (*marks, *((atom,) if atom else ()))
            yield Point(**fields, labels=labels, rules=held & ((1 << number) - 1), told=held >> number)


def _joined(layout: Layout, attributes: Sequence[tuple[int, Sequence[Value]]], search: Search) -> list[Value]:
    """One value of each kind of all attributes together, of those that are looked for."""
    needed, left = search.needed, [Value(layout.every, (), {})]
    for position, (_, values) in enumerate(attributes):
        to_come = reduce(or_, (asked for asked, _ in attributes[position + 1 :]), 0)
        fitting = [value for value in values if value.bits & needed == needed]
        kinds: dict[tuple[int, tuple[Any, ...]], tuple[Value, Value]] = {}
        for one in left:
            for other in fitting:
                bits = layout.live(one.bits & other.bits)
                if bits & needed == needed:
                    kinds.setdefault((bits, one.key + other.key), (one, other))
        left = [
            Value(bits, key, {**one.fields, **other.fields})
            for (bits, key), (one, other) in kinds.items()
            if not layout.certain(bits, to_come) & search.closed
        ]
    told = least([Value(layout.applying(value.bits), value.key, value.fields) for value in left])
    return [value for value in told if value.bits & needed == needed]


def plainer(point: Point, rules: Rules) -> Iterator[Point]:
    """The same request with one label less, or one attribute at its most ordinary value."""
    for label in point.labels:
        yield replace(point, labels=tuple(other for other in point.labels if other != label))
    if point.action != "collect":
        lowest = rules.vocabulary.file.confidentiality[0]
        for name, value in (*_ORDINARY.items(), ("confidentiality", lowest)):
            if getattr(point, name) != value:
                yield replace(point, **{name: value})  # type: ignore[arg-type]
    yield from _plainer_parties(point)


_ORDINARY = {"purpose": "TREAT", "action": "access", "type": "Observation", "role": "organization"}


def _plainer_parties(point: Point) -> Iterator[Point]:
    one = point.source.code == point.requester.code
    for name, value in PLAIN.items():
        source = replace(point.source, **{name: value})
        if source != point.source:
            yield replace(point, source=source, requester=source if one else point.requester)
        if not one and point.requester.code != REPOSITORY_CODE:
            requester = replace(point.requester, **{name: value})
            if requester != point.requester:
                yield replace(point, requester=requester)

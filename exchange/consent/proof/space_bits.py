"""Conditions as bits: which of them a value of one attribute satisfies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from exchange.consent.content import Content
from exchange.consent.rules.conditions import Facts, Test, holds
from exchange.consent.rules.policies import Condition, Party, Record
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.errors import ContentError

Guarded = tuple[Condition, Sequence[Condition]]
"""A condition and its exceptions."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an attribute (or of several) with its bits and what else must be told apart."""

    bits: int
    key: tuple[Any, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """Bits of all conditions: `when` of condition i at i, its j-th `unless` at i + width * (j + 1)."""

    width: int
    every: int
    low: int
    every_plane: int
    parts: Mapping[str, Sequence[tuple[int, Test]]]

    def bits(self, attribute: str, facts: Facts) -> int:
        failed = sum(1 << bit for bit, test in self.parts.get(attribute, ()) if not test(facts))
        return self.every & ~failed

    def asked_of(self, *attributes: str) -> int:
        """Bits of the conditions that ask one of these attributes."""
        if attributes == ("slice",):
            return self.low
        found = (bit for attribute in attributes for bit, _ in self.parts.get(attribute, ()))
        return reduce(lambda bits, bit: bits | 1 << bit, found, 0)

    def certain(self, bits: int, open_: int) -> int:
        """Bits of the conditions that hold whatever the attributes still to come, which may clear `open_`."""
        return self.applying(bits & ~(open_ & self.low))

    def live(self, bits: int) -> int:
        """Without the exceptions of conditions that do not hold anyway."""
        return bits & ((bits & self.low) * self.every_plane)

    def applying(self, bits: int) -> int:
        """Bits of the conditions that hold, their exceptions counted."""
        excepted, rest = 0, bits >> self.width
        while rest:
            excepted |= rest
            rest >>= self.width
        return bits & self.low & ~excepted


def least(values: Iterable[Value]) -> list[Value]:
    """One value of each kind: the first."""
    kinds: dict[tuple[int, tuple[Any, ...]], Value] = {}
    for value in values:
        kinds.setdefault((value.bits, value.key), value)
    return list(kinds.values())


def layout_of(conditions: Sequence[Guarded], vocabulary: Vocabulary) -> Layout:
    width = len(conditions)
    parts: dict[str, list[tuple[int, Test]]] = {}
    every = 0
    for number, (when, unless) in enumerate(conditions):
        for plane, condition in enumerate((when, *unless)):
            bit = number + width * plane
            every |= 1 << bit
            for attribute, part in _parts(condition):
                parts.setdefault(attribute, []).append((bit, holds(part, vocabulary)))
    planes = 1 + max((len(unless) for _, unless in conditions), default=0)
    low, every_plane = (1 << width) - 1, sum(1 << width * plane for plane in range(planes))
    return Layout(width, every, low, every_plane, parts)


def _parts(condition: Condition) -> Iterator[tuple[str, Condition]]:
    """The condition cut into questions about one attribute each."""
    _all_known(condition)
    if condition.purpose:
        yield "purpose", Condition(purpose=condition.purpose)
    if condition.action:
        yield "action", Condition(action=condition.action)
    for side in ("source", "requester"):
        party: Party = getattr(condition, side)
        if party.role:
            yield "role", Condition(requester=Party(role=party.role))
        if party.is_source is not None:
            yield "same", Condition(requester=Party(is_source=party.is_source))
        own = party.model_copy(update={"role": (), "is_source": None})
        if own != Party():
            yield side, Condition.model_validate({side: own})
    record = condition.record
    for attribute, fields in _RECORD.items():
        kept = {name: getattr(record, name) for name in fields if getattr(record, name)}
        if kept:
            yield attribute, Condition(record=Record(**kept))


_RECORD = {"label": ("label",), "type": ("type",), "about": ("about",), "level": ("at_least", "at_most")}
_KNOWN: Mapping[type[Content], frozenset[str]] = {
    Condition: frozenset(("purpose", "action", "source", "requester", "record")),
    Record: frozenset(name for names in _RECORD.values() for name in names),
}


def _all_known(condition: Condition) -> None:
    """A word of the rules this module does not know would make a proof of nothing."""
    for model, known in _KNOWN.items():
        for name in model.model_fields.keys() - known:
            raise ContentError("the proof does not know this condition yet", field=f"{model.__name__}.{name}")

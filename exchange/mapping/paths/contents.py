"""The text that a part of a map reads of an HL7 v2 message, as one value to compare."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from exchange.formats import hl7v2
from exchange.mapping.paths.places import Field

_MANY = 8
"""From so many fields of a segment on, the whole segment is compared sooner."""


@dataclass(slots=True)
class Reads:
    """Fields by the name of the nearest segment; segments read whole; segments that must not be there."""

    fields: dict[str, set[int]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)

    def count(self) -> int:
        """How many texts have to be compared."""
        return sum(map(len, self.fields.values())) + len(self.whole)


def content_reader(
    fields: Mapping[str, Set[int]], whole: Set[str], absent: Set[str]
) -> Callable[[Any], tuple[Hashable, ...] | None]:
    """What is there to be read from a place; None where that cannot be told.

    The same text means something else to other delimiters, so only the usual ones count.
    """
    firsts = tuple((name, tuple(sorted(numbers))) for name, numbers in fields.items() if name not in whole)
    every = tuple(sorted(whole))

    def content(node: Any) -> tuple[Hashable, ...] | None:
        if node.delimiters is not hl7v2.STANDARD or not absent.isdisjoint(node.present):
            return None
        texts: list[Hashable] = [node.text] if type(node) is Field else []
        for name, numbers in firsts:
            found = node.find(name)
            if not found:
                texts.append(None)
                continue
            segment = found[0]
            if len(numbers) >= _MANY:
                texts.append(tuple(segment))
                continue
            length = len(segment)
            texts += [segment[number] if number < length else "" for number in numbers]
        texts += [tuple(map(tuple, node.find(name))) for name in every]
        return tuple(texts)

    return content

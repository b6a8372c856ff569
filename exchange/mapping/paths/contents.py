"""What a part of a map reads of an HL7 v2 message."""

from __future__ import annotations

from dataclasses import dataclass, field


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

"""What an entry that copies its source takes as it is: the part of a resource's lineage that no row tells."""

from __future__ import annotations

from typing import Any

from exchange.mapping.content import Node
from exchange.mapping.language import Language, Row
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.run import Run

# `meta` keeps only what is about content, and is told by the profiles an entry claims.
_NOT_TOLD = frozenset(("resourceType", "meta"))


def copied(switch: Node, language: Language) -> Reader:
    """Notes every element of the source that no row of the map filled; `switch` is the entry's `copy`."""
    numbers: dict[str, int] = {}

    def tell(place: Any, run: Run) -> None:
        filled = {language.rows[number].element for number, _ in run.traced[run.traced_before :]}
        for name in place:
            element = f"{place['resourceType']}.{name}"
            if name in _NOT_TOLD or element in filled:
                continue
            if element not in numbers:
                numbers[element] = len(language.rows)
                origin = f"{switch.file}:{switch.line}"
                language.rows.append(Row(element, "copy", origin, (name,), ()))
            run.traced.append((numbers[element], language.grammar.position(place)))

    return tell

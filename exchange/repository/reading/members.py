"""Of duplicates one is shown, and what refers to any of them refers to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from exchange.repository.reading.criteria import Criterion
from exchange.repository.reading.reader import Reader, same_facts, select
from exchange.repository.reading.syntax import ids_of

_MEMBERS = f"""
SELECT DISTINCT m.fhir_id::text FROM (
    SELECT * FROM resource WHERE type = ANY(%s) AND fhir_id = ANY(%s) AND cluster IS NOT NULL OFFSET 0
) r CROSS JOIN LATERAL (SELECT * FROM {same_facts("r")} AS every OFFSET 0) m
"""


def with_members(reader: Reader, criterion: Criterion) -> Criterion:
    """The criterion, each record that it names standing for all members of its cluster that are visible.

    What this viewer does not see names nothing: the answer is as if it were not there.
    """
    if not _names_records(criterion):
        return criterion
    ids, types = ids_of(criterion.values), _types(criterion)
    if not ids or not types:
        return criterion
    found = select(reader, _MEMBERS, (sorted(types), ids))
    others = sorted({row[0] for row in found} - set(map(str, ids)))
    return replace(criterion, values=(*criterion.values, *others)) if others else criterion


def other_members(reader: Reader, records: Iterable[tuple[str, str]]) -> list[str]:
    """Ids of the visible duplicates of records (type, id), those named among them."""
    named = sorted(set(records))
    if not named:
        return []
    found = select(reader, _MEMBERS, (sorted({kind for kind, _ in named}), [UUID(key) for _, key in named]))
    return [row[0] for row in found]


def _names_records(criterion: Criterion) -> bool:
    modifier = criterion.modifier
    return criterion.parameter.kind == "reference" and (not modifier or modifier[:1].isupper())


def _types(criterion: Criterion) -> set[str]:
    """What may be meant: the one type that is named, else those the parameter leads to."""
    if criterion.modifier:
        return {criterion.modifier}
    named = {value.rsplit("/", 2)[-2] for value in criterion.values if "/" in value}
    alone = any("/" not in value for value in criterion.values)
    return named | (set(criterion.parameter.targets) if alone else set())

"""`:above` and `:below` of references: places, organizations and the like by what is part of them.

https://hl7.org/fhir/R4/search.html#reference
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from exchange.repository.reading.criteria import Criterion, kinds_with_parts
from exchange.repository.reading.members import other_members
from exchange.repository.reading.reader import Reader, select
from exchange.repository.reading.syntax import BadSearch, ids_of
from exchange.repository.storage.parameters import parameters, part_of

_DEEPEST = 20

_PARTS = """
SELECT DISTINCT r.fhir_id FROM index_reference x JOIN resource r ON r.rid = x.rid
WHERE x.param = %s AND x.target = ANY(%s)
"""
_WHOLES = """
SELECT DISTINCT x.target FROM index_reference x JOIN resource r ON r.rid = x.rid
WHERE x.param = %s AND r.type = %s AND r.fhir_id = ANY(%s)
"""


def with_parts(reader: Reader, criterion: Criterion) -> Criterion:
    """A reference with `:below` or `:above` as one to those named and all their visible parts, or wholes.

    Any other criterion is left as it is. Raises BadSearch where nothing has parts.
    """
    if not criterion.asks_for_parts:
        return criterion
    types = kinds_with_parts(criterion)
    if not types:
        known = ", ".join(sorted(kind for kind in parameters() if part_of(kind)))
        raise BadSearch(f"{criterion.parameter.name}:{criterion.modifier} is served of references to {known}")
    found = set(map(str, ids_of(criterion.values)))
    for kind in types:
        found |= _related(reader, kind, found, criterion.modifier)
    return replace(criterion, modifier="", values=tuple(sorted(found)) or criterion.values)


def _related(reader: Reader, kind: str, named: set[str], way: str) -> set[str]:
    found, wave, parameter = set(named), set(named), part_of(kind)
    key = parameter.key if parameter else None
    for _ in range(_DEEPEST):
        wave |= set(other_members(reader, [(kind, one) for one in wave]))
        ids = [UUID(one) for one in sorted(wave)]
        statement, arguments = (_PARTS, (key, ids)) if way == "below" else (_WHOLES, (key, kind, ids))
        wave = {str(row[0]) for row in select(reader, statement, arguments)} - found
        if not wave:
            break
        found |= wave
    return found

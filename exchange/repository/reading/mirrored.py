"""A view read from end to end, and which of what was given of it before is still in it.

Person by person, so that a copy is never for long without the Patient its records are about.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from exchange.repository.reading.chosen import Wanted
from exchange.repository.reading.persons import persons_of
from exchange.repository.reading.reader import BEST_OF_CLUSTER, BEST_RENDITION, Reader, select

_CHOSEN = f"{BEST_RENDITION} AND (r.type = 'Patient' OR {BEST_OF_CLUSTER})"


def patients_after(reader: Reader, after: int, most: int) -> list[int]:
    """Numbers of the next patients of whom the viewer sees anything."""
    rows = select(
        reader,
        "SELECT DISTINCT r.patient FROM resource r WHERE r.patient > %s ORDER BY r.patient LIMIT %s",
        (after, most),
    )
    return [row[0] for row in rows]


def wanted_of(reader: Reader, patients: Collection[int]) -> list[Wanted]:
    """Everything the viewer sees of these patients."""
    rows = select(
        reader,
        f"SELECT r.type, r.fhir_id, r.rendition FROM resource r WHERE r.patient = ANY(%(patients)s)"
        f" AND {_CHOSEN} ORDER BY r.patient, r.type, r.fhir_id",
        {"patients": sorted(patients)},
    )
    return [Wanted(*row) for row in rows]


def about_nobody(reader: Reader, after: tuple[str, UUID], most: int) -> list[Wanted]:
    """The next records the viewer sees that are about nobody, in the order of type and id."""
    rows = select(
        reader,
        "SELECT r.type, r.fhir_id, r.rendition FROM resource r WHERE r.patient IS NULL"
        " AND (r.type, r.fhir_id) > (%(type)s, %(id)s)"
        f" AND {_CHOSEN} ORDER BY r.type, r.fhir_id LIMIT %(most)s",
        {"type": after[0], "id": after[1], "most": most},
    )
    return [Wanted(*row) for row in rows]


def still_seen(reader: Reader, names: Collection[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Those of the records that the viewer would get now: a person under his golden id alone.

    A Provenance is seen with its target, whose id it has.
    """
    asked = sorted(set(names))
    rows = select(
        reader,
        "SELECT r.type, r.fhir_id FROM resource r WHERE r.fhir_id = ANY(%s) AND r.type <> 'Patient'"
        f" AND {BEST_RENDITION} AND {BEST_OF_CLUSTER}",
        ([key for _, key in asked],),
    )
    seen = {(kind, key) for kind, key in rows}
    rows = select(reader, "SELECT patient FROM patient WHERE golden_id = ANY(%s)", ([k for _, k in asked],))
    seen |= {("Patient", p.golden_id) for p in persons_of(reader, [row[0] for row in rows]).values()}
    ids = {key for _, key in seen}
    return {name for name in asked if (name[1] in ids if name[0] == "Provenance" else name in seen)}

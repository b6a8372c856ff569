"""Labels that come late are given to what is stored: current, past and withheld, in the caller's transaction.

Labels are only added (a label is taken away when its record is taken again). As with $meta-add no version is
made: https://hl7.org/fhir/R4/resource-operation-meta-add.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import class_row

from exchange.consent import Context, DisclosureClass, with_security
from exchange.model.fhir import references
from exchange.model.records import Labels, Resource
from exchange.repository.disclosure.directory import label_directory
from exchange.repository.disclosure.late import Moved, note_late_disclosures
from exchange.repository.disclosure.reprofile import lock_persons
from exchange.repository.disclosure.ruling import hold_ruling
from exchange.repository.disclosure.viewers import intern_classes, load_classes, permitted_to_hold
from exchange.repository.disclosure.withdraw import withdraw
from exchange.repository.storage import store
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.plan import content_hash
from exchange.repository.storage.store import Row


class Key(NamedTuple):
    """One rendition of one resource."""

    type: str
    fhir_id: UUID
    rendition: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that carries a class: in `resource` by its rid, in the history or the ledger by its place."""

    table: str
    place: str
    key: Key
    partner: str
    patient: int | None
    record: int | None
    class_: int
    body: Resource | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Rows that got another class, rows that left the repository, entries for the privacy officer."""

    changed: int = 0
    withdrawn: int = 0
    entries: int = 0

    def __add__(self, other: Relabelled) -> Relabelled:
        return Relabelled(
            self.changed + other.changed, self.withdrawn + other.withdrawn, self.entries + other.entries
        )


_KEPT = """
SELECT 'resource', rid::text, type, fhir_id, rendition, partner, patient, record, class, body FROM resource
WHERE (type, fhir_id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::uuid[]))
UNION ALL
SELECT 'resource_history', ctid::text, type, fhir_id, rendition, partner, patient, record, class, body
FROM resource_history WHERE (type, fhir_id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::uuid[]))
UNION ALL
SELECT 'withheld', ctid::text, type, fhir_id, 0, partner, patient, record, class, NULL FROM withheld
WHERE (type, fhir_id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::uuid[]))
"""


def kept_of(conn: psycopg.Connection, records: Sequence[int]) -> list[Kept]:
    """Every row of the resources that these source records made; their people are kept from other writers."""
    keys = conn.execute(
        "SELECT type, fhir_id, patient FROM resource WHERE record = ANY(%(r)s)"
        " UNION SELECT type, fhir_id, patient FROM resource_history WHERE record = ANY(%(r)s)"
        " UNION SELECT type, fhir_id, patient FROM withheld WHERE record = ANY(%(r)s)",
        {"r": list(records)},
    ).fetchall()
    return kept_rows(conn, keys)


def kept_rows(conn: psycopg.Connection, keys: Sequence[tuple[str, UUID, int | None]]) -> list[Kept]:
    """Every row of these resources (type, id, patient); their people are kept from other writers."""
    if not keys:
        return []
    lock_persons(conn, {patient for _, _, patient in keys if patient is not None})
    return kept(conn, [(kind, fhir_id) for kind, fhir_id, _ in keys])


def kept(conn: psycopg.Connection, references: Sequence[tuple[str, UUID]]) -> list[Kept]:
    """Every row of these resources, whose people the caller has locked."""
    wanted = {"types": [kind for kind, _ in references], "ids": [fhir_id for _, fhir_id in references]}
    return [
        Kept(table, place, Key(*key), partner, patient, record, number, orjson.loads(body) if body else None)
        for table, place, *key, partner, patient, record, number, body in conn.execute(_KEPT, wanted)
    ]


def add_labels(
    conn: psycopg.Connection,
    rows: Sequence[Kept],
    found: Mapping[Key, Labels],
    context: Context,
    at: datetime,
) -> Relabelled:
    """Adds to the rows what was found about their resource; what may no longer be held is withdrawn.

    Raises Conflict when the rules in force are not those of `context`.
    """
    hold_ruling(conn, context, at)
    old = load_classes(conn, {row.class_ for row in rows})
    levels = context.rules.vocabulary.levels
    wanted = {
        row: _with_labels(old[row.class_], found[row.key], levels.__getitem__)
        for row in rows
        if row.key in found
    }
    numbers = intern_classes(conn, wanted.values(), context, at)
    changed = {row: numbers[c.digest] for row, c in wanted.items() if numbers[c.digest] != row.class_}
    if not changed:
        return Relabelled()
    if any(row.patient is None for row in changed):
        label_directory(conn)
    moved = [
        Moved(row.key.type, row.key.fhir_id, row.partner, row.patient, row.class_, number)
        for row, number in changed.items()
        if row.table != "withheld"
    ]
    entries = note_late_disclosures(conn, set(moved), context, at)
    bodies = {row: _labelled(row.body, wanted[row]) for row in changed if row.body is not None}
    _rewrite(conn, {row: n for row, n in changed.items() if row.table == "resource"}, bodies)
    _move_past(conn, {row: n for row, n in changed.items() if row.table == "resource_history"}, bodies)
    _move_withheld(conn, {row: n for row, n in changed.items() if row.table == "withheld"})
    held = permitted_to_hold(conn, changed.values(), at)
    gone = [int(row.place) for row, n in changed.items() if row.table == "resource" and n not in held]
    return Relabelled(len(changed), withdraw(conn, gone, context, at), entries)


def _with_labels(old: DisclosureClass, new: Labels, level: Callable[[str], int]) -> DisclosureClass:
    return replace(
        old,
        confidentiality=max(old.confidentiality, new.confidentiality, key=level),
        labels=tuple(sorted(new.codes.union(old.labels))),
    )


def _labelled(body: Resource, class_: DisclosureClass) -> Resource:
    return with_security(body, Labels(class_.confidentiality, frozenset(class_.labels)))


def _rewrite(conn: psycopg.Connection, classes: Mapping[Kept, int], bodies: Mapping[Kept, Resource]) -> None:
    """Current rows keep their number and version; what search finds in them is written anew."""
    names = ", ".join(f"class AS {name}" if name == "class_" else name for name in Row._fields)
    by_rid = {int(row.place): row for row in classes}
    with conn.cursor(row_factory=class_row(Row)) as cursor:
        stored = cursor.execute(
            f"SELECT {names} FROM resource WHERE rid = ANY(%s)", [list(by_rid)]
        ).fetchall()
    store.remove(conn, list(by_rid))
    written = [(row, bodies[by_rid[row.rid]], classes[by_rid[row.rid]]) for row in stored]
    store.insert(
        conn,
        [
            (
                row._replace(class_=n, content_hash=content_hash(body), body=orjson.dumps(body)),
                index_rows(body, references(body)),
            )
            for row, body, n in written
        ],
    )


def _move_past(
    conn: psycopg.Connection, classes: Mapping[Kept, int], bodies: Mapping[Kept, Resource]
) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "UPDATE resource_history SET class = %s, body = coalesce(%s, body),"
            " content_hash = coalesce(%s, content_hash) WHERE ctid = %s::tid",
            [(number, *_bytes(bodies.get(row)), row.place) for row, number in classes.items()],
        )


def _bytes(body: Resource | None) -> tuple[bytes | None, bytes | None]:
    return (orjson.dumps(body), content_hash(body)) if body else (None, None)


def _move_withheld(conn: psycopg.Connection, classes: Mapping[Kept, int]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "UPDATE withheld SET class = %s WHERE ctid = %s::tid",
            [(number, row.place) for row, number in classes.items()],
        )

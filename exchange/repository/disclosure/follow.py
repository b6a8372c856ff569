"""Labels follow references at the moment of publishing, whichever of the two records came first.

What a record was safeguarded without, because the other lay in a later chunk, in another record or changed
since, is added in the transaction that stores either: nobody sees the one without the label of the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import psycopg

from exchange.consent import Context, following, passed_on, with_security
from exchange.model.fhir import reference_to, references
from exchange.model.records import Labels, Resource
from exchange.repository.disclosure.directory import label_directory
from exchange.repository.disclosure.relabel import Kept, Key, add_labels, kept_rows
from exchange.repository.storage.items import PublishItem
from exchange.repository.storage.known import known_labels


def with_labels_of_others(
    conn: psycopg.Connection, items: Mapping[int, PublishItem], context: Context
) -> dict[int, PublishItem]:
    """The items with the labels of what they refer to, stored before or among themselves."""
    asked = {position: item.references() for position, item in items.items()}
    own = {reference_to(item.resource): item.labels for item in items.values()}
    named = {to for each in asked.values() for to in each}
    seen = _telling({**known_labels(conn, named - own.keys()), **own}, context)
    found, changed = dict(items), bool(seen)
    while changed:
        changed = False
        for position in [p for p, each in asked.items() if not seen.keys().isdisjoint(each)]:
            item = found[position]
            if _has_all(item, asked[position], seen, context):
                continue
            labelled = _followed(item, seen, context)
            if labelled is not item:
                found[position], changed = labelled, True
                seen[reference_to(labelled.resource)] = labelled.labels
    return found


def _has_all(item: PublishItem, asked: Iterable[str], seen: Mapping[str, Labels], context: Context) -> bool:
    """Whether both its forms have all labels that could reach it: then there is nothing to look for in it."""
    held = item.labels.codes & item.redacted[1].codes if item.redacted else item.labels.codes
    return all(passed_on(seen[to], context.rules) <= held for to in asked if to in seen)


def _telling(labels: Mapping[str, Labels], context: Context) -> dict[str, Labels]:
    """Only what has something to pass on."""
    return {name: found for name, found in labels.items() if passed_on(found, context.rules)}


def _followed(item: PublishItem, seen: Mapping[str, Labels], context: Context) -> PublishItem:
    labels = following(item.resource, item.labels, seen, context.rules)
    redacted = item.redacted
    if redacted:
        less = following(*redacted, seen, context.rules)
        redacted = redacted if less is redacted[1] else (with_security(redacted[0], less), less)
    if labels is item.labels and redacted is item.redacted:
        return item
    whole = item.resource if labels is item.labels else with_security(item.resource, labels)
    return item._replace(resource=whole, labels=labels, redacted=redacted)


def pass_labels_on(
    conn: psycopg.Connection, items: Iterable[PublishItem], context: Context, at: datetime
) -> int:
    """Gives these items' labels to what is stored and refers to them, and so on; returns rows changed."""
    telling = [item for item in items if passed_on(item.labels, context.rules)]
    if any(item.patient is None for item in telling):
        label_directory(conn)
    told = {reference_to(item.resource): passed_on(item.labels, context.rules) for item in telling}
    changed = 0
    while told:
        rows = kept_rows(conn, _referring(conn, told))
        found = _labels_of_rows(conn, rows, context)
        changed += add_labels(conn, rows, found, context, at).changed if found else 0
        told = {
            f"{key.type}/{key.fhir_id}": passed_on(labels, context.rules) for key, labels in found.items()
        }
    return changed


# By whatever element, and whoever it is about: an item that comes later takes a label over all of them, too.
# The index has every reference but that to the patient a record is about, and those of records from before it
# had them: these are looked for in what the records say, for others of the same patient. Where there are
# none, a condition without columns says so before any record is read.
REFERRING = """
WITH told AS MATERIALIZED (
    SELECT n.name, n.fhir_id, string_to_array(n.codes, ' ') AS codes, t.patient
    FROM unnest(%(names)s::text[], %(ids)s::uuid[], %(codes)s::text[]) AS n (name, fhir_id, codes)
    LEFT JOIN LATERAL (
        SELECT patient FROM resource
        WHERE type = split_part(n.name, '/', 1) AND fhir_id = n.fhir_id AND rendition = 0
        UNION ALL
        SELECT patient FROM withheld WHERE type = split_part(n.name, '/', 1) AND fhir_id = n.fhir_id
    ) AS t ON true
)
SELECT r.type, r.fhir_id, r.patient
FROM told n
JOIN resource r ON r.patient = n.patient
JOIN disclosure_class c ON c.class = r.class
WHERE n.name LIKE 'Patient/%%'
  AND CASE WHEN c.labels @> n.codes THEN false
      ELSE position(convert_to('"' || n.name || '"', 'UTF8') IN r.body) > 0 END
UNION
SELECT r.type, r.fhir_id, r.patient
FROM told n
JOIN resource r ON r.patient = n.patient AND r.rid < (SELECT since FROM reference_told)
JOIN disclosure_class c ON c.class = r.class
WHERE (SELECT since FROM reference_told) > 1
  AND CASE WHEN c.labels @> n.codes THEN false
      ELSE position(convert_to('"' || n.name || '"', 'UTF8') IN r.body) > 0 END
UNION
SELECT r.type, r.fhir_id, r.patient
FROM told n
-- OFFSET 0: one after the other along the indexes; of so many at once all records there are would be read.
CROSS JOIN LATERAL (SELECT rid FROM index_reference WHERE target = n.fhir_id OFFSET 0) AS x
CROSS JOIN LATERAL (SELECT type, fhir_id, patient, class FROM resource WHERE rid = x.rid OFFSET 0) AS r
JOIN disclosure_class c ON c.class = r.class
WHERE NOT c.labels @> n.codes
"""


def _referring(
    conn: psycopg.Connection, told: Mapping[str, Collection[str]]
) -> list[tuple[str, UUID, int | None]]:
    names = sorted(told)
    values = {
        "names": names,
        "ids": [name.partition("/")[2] for name in names],
        "codes": [" ".join(sorted(told[name])) for name in names],
    }
    return conn.execute(REFERRING, values).fetchall()


def _labels_of_rows(conn: psycopg.Connection, rows: Collection[Kept], context: Context) -> dict[Key, Labels]:
    """What the rows' references add to them, by resource and rendition; what adds nothing is left out."""
    bodies: dict[Kept, Resource] = {row: row.body for row in rows if row.body is not None}
    seen = _telling(known_labels(conn, {to for body in bodies.values() for to in references(body)}), context)
    found: dict[Key, Labels] = {}
    for row, body in bodies.items():
        labels = following(body, _EMPTY, seen, context.rules)
        if labels is not _EMPTY and not labels.codes <= _stored_codes(body):
            found[row.key] = labels
    return found


_EMPTY = Labels("U")


def _stored_codes(body: Resource) -> frozenset[str]:
    return frozenset(str(label.get("code")) for label in body.get("meta", {}).get("security", ()))

"""Care that a minor consented to, marked when it becomes known how old the person was."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from exchange.consent import Context, DisclosureClass, with_own_care
from exchange.consent.rules.minors import OWN_CARE
from exchange.model.records import Labels
from exchange.repository.disclosure.births import Births, births_of
from exchange.repository.disclosure.relabel import Kept, Relabelled, add_labels, kept
from exchange.repository.disclosure.reprofile import lock_persons
from exchange.repository.disclosure.viewers import load_classes

_UNMARKED = """
SELECT DISTINCT r.type, r.fhir_id FROM (
    SELECT type, fhir_id, patient, class FROM resource
    UNION ALL SELECT type, fhir_id, patient, class FROM resource_history
) AS r JOIN disclosure_class USING (class)
WHERE patient = ANY(%(patients)s) AND labels && %(services)s AND NOT labels @> %(own)s
"""


_UNMARKED_OF = """
SELECT DISTINCT n.type, n.fhir_id FROM unnest(%(types)s::text[], %(ids)s::uuid[]) AS n (type, fhir_id)
-- OFFSET 0: one after the other along the keys, however many there are.
CROSS JOIN LATERAL (
    SELECT class FROM resource r WHERE (r.type, r.fhir_id) = (n.type, n.fhir_id)
    UNION SELECT class FROM resource_history h WHERE (h.type, h.fhir_id) = (n.type, n.fhir_id)
    OFFSET 0
) AS r JOIN disclosure_class USING (class)
WHERE labels && %(services)s AND NOT labels @> %(own)s
"""


def mark_own_care(conn: psycopg.Connection, patients: Set[int], context: Context, at: datetime) -> Relabelled:
    """Labels what may have been a minor's own care among all records of these persons.

    Like other late labels it is only added: a corrected birth date frees a record when it is taken again.
    """
    if not patients:
        return Relabelled()
    members = [member.patient for member in lock_persons(conn, patients)]
    return _mark(conn, _UNMARKED, {"patients": members}, context, at)


def mark_own_care_of(
    conn: psycopg.Connection, references: Set[tuple[str, UUID]], context: Context, at: datetime
) -> Relabelled:
    """The same among these resources alone, as after they got labels; whose people the caller has locked."""
    pairs = sorted(references)
    asked = {"types": [kind for kind, _ in pairs], "ids": [fhir_id for _, fhir_id in pairs]}
    return _mark(conn, _UNMARKED_OF, asked, context, at)


def _mark(
    conn: psycopg.Connection, unmarked: str, asked: Mapping[str, Any], context: Context, at: datetime
) -> Relabelled:
    services = context.rules.minors.atoms
    if not services:
        return Relabelled()
    found = conn.execute(
        unmarked.encode(), {**asked, "services": sorted(services), "own": [OWN_CARE]}
    ).fetchall()
    rows = kept(conn, found)
    classes = load_classes(conn, {row.class_ for row in rows})
    born = births_of(conn, sorted({row.patient for row in rows if row.patient is not None}))
    own = {row.key for row in rows if _is_own(row, classes[row.class_], born, context)}
    return add_labels(conn, rows, dict.fromkeys(own, Labels("N", frozenset([OWN_CARE]))), context, at)


def _is_own(row: Kept, found: DisclosureClass, born: dict[int, Births], context: Context) -> bool:
    if (
        row.patient is None or row.body is None
    ):  # about nobody, or without content: the ledger, what was deleted
        return False
    labels = Labels(found.confidentiality, frozenset(found.labels))
    state = state_of(row.partner, context)
    marked = with_own_care(row.body, labels, born[row.patient], state, context.rules)
    return OWN_CARE in marked.codes


def state_of(partner: str, context: Context) -> str:
    """Where the partner gives care; of one nobody knows any more, nowhere."""
    found = context.participants.get(partner)
    return found.state if found else ""

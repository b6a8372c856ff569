"""Care that a minor consented to, marked when it becomes known how old the person was."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

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


def mark_own_care(conn: psycopg.Connection, patients: Set[int], context: Context, at: datetime) -> Relabelled:
    """Labels what may have been a minor's own care among all records of these persons.

    Like other late labels it is only added: a corrected birth date frees a record when it is taken again.
    """
    services = context.rules.minors.atoms
    if not services or not patients:
        return Relabelled()
    members = [member.patient for member in lock_persons(conn, patients)]
    asked = {"patients": members, "services": sorted(services), "own": [OWN_CARE]}
    rows = kept(conn, conn.execute(_UNMARKED, asked).fetchall())
    classes = load_classes(conn, {row.class_ for row in rows})
    born = births_of(conn, members)
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

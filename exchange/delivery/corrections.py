"""Who got a record as it was before its source corrected it or took it back."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from exchange.audit import Disclosure
from exchange.delivery.affected import Sent, sent_about
from exchange.delivery.receipt_items import items_sent
from exchange.repository import stored_name, version_id

_BEING_WRITTEN = timedelta(seconds=30)


def corrected(conn: psycopg.Connection, record: str) -> list[Sent]:
    """Everybody who got a record as it was before it was corrected or deleted at its source, or may have.

    A receipt says which version was sent. An answer of the API does not: until a correction is committed the
    record is read as it was, so who asked while it was being written counts too.
    """
    kind, _, fhir_id = record.partition("/")
    row = conn.execute(_CORRECTED, {"type": kind, "id": UUID(fhir_id)}).fetchone()
    if row is None:
        return []
    patient, changed, moments = row
    current = {version_id(moment) for moment in moments}
    return [
        replace(one, disclosures=wrong)
        for one in sent_about(conn, [patient])
        if one.record == record
        and (wrong := tuple(d for d in one.disclosures if _was_other(conn, record, d, current, changed)))
    ]


def _was_other(
    conn: psycopg.Connection, record: str, disclosure: Disclosure, current: Set[str], changed: datetime
) -> bool:
    if disclosure.delivery is None:
        return disclosure.at < changed + _BEING_WRITTEN
    return any(
        stored_name(version) not in current
        for version, _ in items_sent(conn, record, disclosure.delivery, disclosure.at)
    )


# Whose it is, when it last became another, and what is true today; nothing of what never changed.
_CORRECTED = """
SELECT p.fhir_id::text, max(s.updated),
    coalesce(array_agg(DISTINCT s.updated) FILTER (WHERE s.now), '{}')
FROM (
    SELECT patient, updated, true AS now FROM resource WHERE (type, fhir_id) = (%(type)s, %(id)s)
    UNION ALL
    SELECT patient, updated, false FROM resource_history
    WHERE (type, fhir_id) = (%(type)s, %(id)s) AND deleted
) AS s JOIN patient p USING (patient)
WHERE EXISTS (SELECT FROM resource_history WHERE (type, fhir_id) = (%(type)s, %(id)s))
GROUP BY 1
"""

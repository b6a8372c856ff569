"""What a source says is gone, is: with its index rows, a note in the history, and what followed from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import psycopg

from exchange.consent import Context
from exchange.repository.disclosure.care import end_referrals
from exchange.repository.disclosure.directives import drop_directives
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.storage import history, outbox, store


def delete(conn: psycopg.Connection, references: Sequence[str], context: Context, at: datetime) -> int:
    """Deletes what `references` (`Type/id`) name; returns how many were there."""
    pairs = [(kind, UUID(fhir_id)) for kind, _, fhir_id in (r.partition("/") for r in references)]
    if not pairs:
        return 0
    there = store.present(conn, pairs)
    rids = [row.rid for row in there.values()]
    outbox.note_deleted(conn, rids, at)
    history.archive(conn, rids)
    history.entomb(conn, rids, at)
    store.remove(conn, rids)
    store.clear_withheld(conn, pairs)
    end_referrals(conn, references)
    revoked = drop_directives(conn, [fhir_id for kind, fhir_id in pairs if kind == "Consent"])
    if revoked:
        reprofile(conn, revoked, context, at)
    return len({(key.type, key.fhir_id) for key in there})

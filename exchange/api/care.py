"""Care relationships stated over the API: an attestation, and the broken glass of an emergency.

Whether there is such a Patient changes nothing in the answer; what is known of it is for a read to find out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from exchange.api import access
from exchange.api.answering import Asked
from exchange.api.messages import Answer, Refusal, json_answer
from exchange.api.negotiation import FHIR_JSON
from exchange.api.uploads import resource_of, strings_of
from exchange.api.viewing import writing_view_of
from exchange.audit import append
from exchange.audit.care import care_entries

EMERGENCY = timedelta(hours=1)
ATTESTED = timedelta(days=90)

# 42 CFR 2.51(c): who got it and belongs where, and why; who gave it and when is known here.
_TOLD = ("recipient", "recipient_affiliation", "emergency_nature")


def break_glass(asked: Asked, patient: str) -> Answer:
    """POST Patient/[id]/$break-glass: one Patient, one hour, once the emergency is written down."""
    access.require(asked.held, "Patient", "r")
    told = strings_of(resource_of(asked.call, "Parameters"))
    missing = [name for name in _TOLD if not told.get(name, "").strip()]
    if missing or told.keys() - set(_TOLD):
        raise Refusal(
            422, "required", f"42 CFR 2.51(c): exactly {', '.join(_TOLD)} are needed, each as a text"
        )
    at = asked.call.at
    with writing_view_of(asked.service, asked.held, at) as view:
        if not _is_emergency(view.conn):
            raise Refusal(
                403, "forbidden", "the glass is broken with a token for the purpose of an emergency (BTG)"
            )
        until = view.at + EMERGENCY
        written = {**told, "discloser": asked.service.base_url, "datetime": _instant(view.at)}
        done = view.conn.execute(
            "SELECT break_glass(%s, %s, %s, %s, %s)",
            (asked.held.client_id, UUID(patient), Jsonb(written), until, asked.service.limits.emergencies),
        ).fetchone()
        if not done or not done[0]:
            raise Refusal(
                429, "throttled", "too many emergencies are open at once; call the privacy officer",
                {"Retry-After": str(math.ceil(EMERGENCY.total_seconds()))},
            )  # fmt: skip
        entries = care_entries("care.emergency", asked.who, asked.how, asked.call.text, [patient])
        append(view.conn, entries)
    return _until(until)


def attest(asked: Asked, patient: str) -> Answer:
    """POST Patient/[id]/$attest-relationship: the participant says that the Patient is in its care."""
    access.require(asked.held, "Group", "c")
    told = strings_of(resource_of(asked.call, "Parameters"))
    if told.keys() != {"reason"} or not told["reason"].strip():
        raise Refusal(422, "required", "one text `reason` says what the relationship is")
    with writing_view_of(asked.service, asked.held, asked.call.at) as view:
        until = view.at + ATTESTED
        state(view.conn, "attestation", f"attestation/{patient}", [patient], until)
        append(view.conn, care_entries("care.stated", asked.who, asked.how, asked.call.text, [patient]))
    return _until(until)


def end_attestation(asked: Asked, patient: str) -> Answer:
    """DELETE Patient/[id]/$attest-relationship: what was attested holds no longer."""
    access.require(asked.held, "Group", "d")
    with writing_view_of(asked.service, asked.held, asked.call.at) as view:
        state(view.conn, "attestation", f"attestation/{patient}", [], view.at)
        append(view.conn, care_entries("care.ended", asked.who, asked.how, asked.call.text, [patient]))
    return Answer(204, b"")


def state(
    conn: psycopg.Connection, basis: str, source: str, patients: Sequence[str], until: datetime
) -> None:
    """Replaces what `source` said; raises Refusal (403) for an emergency's token."""
    refuse_emergency(conn)
    conn.execute(
        "SELECT state_care(%s, %s, %s::uuid[], %s)", (basis, source, [UUID(one) for one in patients], until)
    )


def refuse_emergency(conn: psycopg.Connection) -> None:
    """Raises Refusal (403) for an emergency's token: it opens one Patient, and writes nothing else."""
    if _is_emergency(conn):
        raise Refusal(403, "forbidden", "a token for an emergency states and sends nothing else")


def _is_emergency(conn: psycopg.Connection) -> bool:
    row = conn.execute("SELECT current_emergency()").fetchone()
    return bool(row and row[0])


def _until(until: datetime) -> Answer:
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "until", "valueInstant": _instant(until)}],
    }
    return json_answer(body, 201, media=FHIR_JSON)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

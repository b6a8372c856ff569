"""Care relationships that are stated: referrals among the records, and emergencies to be reviewed.

Panels, attestations and broken glasses come from the API, through functions of the database
(migrations/046_care.sql) that its role may call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from exchange.consent import Context
from exchange.model.records import Resource
from exchange.model.terms import SYSTEMS
from exchange.repository.disclosure.worklist import decide_entry, stretch_of
from exchange.repository.storage.parameters import hash32, parameters, token_key

REFERRED = timedelta(days=180)
"""After a referral was written, the one it was sent to may look."""

_SENT_TO = {"ServiceRequest": "performer", "Task": "owner"}
_STANDING = {
    "ServiceRequest": {"active", "on-hold", "completed"},
    "Task": {"requested", "received", "accepted", "ready", "in-progress", "on-hold", "completed"},
}
_ORDERED = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}

_PARTICIPANTS = """
SELECT r.fhir_id::text, coalesce(s.partner, n.participant)
FROM resource r
LEFT JOIN source_record s ON s.record = r.record AND s.feed = 'participant'
LEFT JOIN index_token x ON x.rid = r.rid AND x.key = ANY(%(keys)s) AND x.system = %(system)s
LEFT JOIN unnest(%(keys)s::bigint[], %(codes)s::text[]) AS n (key, participant) ON n.key = x.key
WHERE r.type = 'Organization' AND r.fhir_id = ANY(%(ids)s::uuid[])
"""


def note_referrals(
    conn: psycopg.Connection,
    records: Iterable[tuple[int, datetime | None, Resource]],
    context: Context,
    lasts: timedelta = REFERRED,
) -> None:
    """Whom a referral was sent to has a relationship with its Patient until it ends or is taken back.

    `records` are (patient, time of the record, resource); those that refer nobody are passed over.
    """
    found = [(number, at, r) for number, at, r in records if r["resourceType"] in _SENT_TO]
    if not found:
        return
    sent = {id(resource): _organizations(resource) for _, _, resource in found}
    codes = _participants(conn, {one for ids in sent.values() for one in ids}, context)
    rows = [
        (codes[one], number, _name(resource), at + lasts)
        for number, at, resource in found
        if at is not None and _stands(resource)
        for one in sent[id(resource)]
        if codes.get(one)
    ]
    _replace(conn, [_name(resource) for _, _, resource in found], rows)


def end_referrals(conn: psycopg.Connection, references: Sequence[str]) -> None:
    """What these `Type/id` said of anybody's care is said no more."""
    gone = [name for name in references if name.partition("/")[0] in _SENT_TO]
    if gone:
        _replace(conn, gone, ())


def _replace(
    conn: psycopg.Connection, sources: Sequence[str], rows: Iterable[tuple[str, int, str, datetime]]
) -> None:
    """Only what changed is written; who may see a referral may have changed without it."""
    wanted = {(participant, patient, source): until for participant, patient, source, until in rows}
    known: dict[tuple[str, int, str], datetime] = {
        (participant, patient, source): until
        for participant, patient, source, until in conn.execute(
            "SELECT participant, patient, source, until FROM care_statement"
            " WHERE source = ANY(%s) AND basis = 'referral'",
            (list(sources),),
        )
    }
    if wanted != known:
        conn.execute(
            "DELETE FROM care_statement WHERE source = ANY(%s) AND basis = 'referral'", (list(sources),)
        )
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO care_statement (participant, patient, basis, source, until)"
                " VALUES (%s, %s, 'referral', %s, %s)",
                [(*key, until) for key, until in wanted.items()],
            )
    touched = sorted({patient for _, patient, _ in wanted.keys() | known.keys()})
    if touched:
        conn.execute("SELECT derive_stated_care(%s)", (touched,))


def _stands(resource: Resource) -> bool:
    kind = resource["resourceType"]
    ordered = kind == "Task" or resource.get("intent") in _ORDERED
    return ordered and resource.get("status") in _STANDING[kind]


def _organizations(resource: Resource) -> tuple[str, ...]:
    """Ids of the Organizations a referral was sent to."""
    named = resource.get(_SENT_TO[resource["resourceType"]], ())
    references = [r.get("reference", "") for r in ([named] if isinstance(named, Mapping) else named)]
    return tuple(r.rpartition("/")[2] for r in references if r.startswith("Organization/"))


def _participants(conn: psycopg.Connection, ids: Iterable[str], context: Context) -> dict[str, str]:
    """Participants behind Organizations, by their own record or by its NPI."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    key = parameters()["Organization"]["identifier"].key
    npis = {p.npi: code for code, p in context.participants.items() if p.npi}
    asked: dict[str, Any] = {
        "ids": wanted,
        "keys": [token_key(key, npi) for npi in npis],
        "codes": list(npis.values()),
        "system": hash32(SYSTEMS["npi"]),
    }
    return {fhir_id: code for fhir_id, code in conn.execute(_PARTICIPANTS, asked) if code}


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


Finding = Literal["justified", "not-justified"]


@dataclass(frozen=True, slots=True)
class EmergencyAccess:
    """A glass that was broken, and what the privacy officer found; `decision` None: to be reviewed."""

    entry: int
    at: datetime
    until: datetime
    participant: str
    client: str
    patient: str
    statement: Mapping[str, str]
    decision: Finding | None
    reason: str | None
    decided_by: str | None
    decided: datetime | None


_EMERGENCY = (
    "SELECT entry, at, until, participant, client, patient::text, statement, decision, reason,"
    " decided_by, decided FROM emergency_access"
)


def emergency_access(conn: psycopg.Connection, entry: int) -> EmergencyAccess | None:
    """One broken glass by number."""
    with conn.cursor(row_factory=class_row(EmergencyAccess)) as cursor:
        return cursor.execute(f"{_EMERGENCY} WHERE entry = %s", [entry]).fetchone()


def emergencies_by(
    conn: psycopg.Connection, reviewed: bool, after: int | None, limit: int
) -> list[EmergencyAccess]:
    """Those that wait, the oldest first, or those reviewed, the newest first; from the entry `after` on."""
    with conn.cursor(row_factory=class_row(EmergencyAccess)) as cursor:
        return cursor.execute(
            f"{_EMERGENCY} WHERE {stretch_of('entry', reviewed)} LIMIT %(limit)s",
            {"after": after, "limit": limit},
        ).fetchall()


def emergency_accesses(conn: psycopg.Connection, reviewed: bool = False) -> list[EmergencyAccess]:
    """Those that wait for review, or all of them, oldest first."""
    with conn.cursor(row_factory=class_row(EmergencyAccess)) as cursor:
        return cursor.execute(
            f"{_EMERGENCY} WHERE %s OR decision IS NULL ORDER BY entry",
            [reviewed],
        ).fetchall()


def review_emergency(
    conn: psycopg.Connection, entry: int, finding: Finding, reason: str, officer: str, at: datetime
) -> None:
    """Records the after-review, once; raises Conflict when there is nothing to review."""
    listed_by = "exchange audit emergencies"
    decide_entry(conn, "emergency_access", entry, finding, reason, officer, at, listed_by)

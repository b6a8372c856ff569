"""Overlays: a record number under which a partner suddenly describes another person.

Until that is settled nobody can say whose the data are, so what the exchange knows of the person is held
back (docs/identity.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

import orjson
import psycopg

from exchange.linkage import Features, Match, Model, overlay_of

Outcome = Literal["one-person", "two-people"]

# A pair under one record number that contradicts itself waits in match_review with this rule.
_HELD = """
SELECT patient FROM overlay WHERE patient = ANY(%(of)s) AND (outcome IS NULL OR outcome = 'two-people')
UNION SELECT unnest(ARRAY[a, b]) FROM match_review
 WHERE decision IS NULL AND evidence ->> 'rule' = 'overlay' AND (a = ANY(%(of)s) OR b = ANY(%(of)s))
"""


def watch(
    conn: psycopg.Connection,
    changed: Mapping[int, tuple[Mapping[str, Any], Features]],
    model: Model,
    at: datetime,
) -> set[int]:
    """Notes who turned into somebody else, or back; returns the patients for whom a suspicion began or ended.

    `changed`: features before, as stored, and now.
    """
    open_before = _open(conn, changed)
    begun: dict[int, tuple[Mapping[str, Any], Match]] = {}
    ended = []
    for patient, (before, now) in changed.items():
        if patient in open_before:
            if overlay_of(Features.from_json(open_before[patient]), now, model) is None:
                ended.append(patient)
        elif found := overlay_of(Features.from_json(before), now, model):
            begun[patient] = (before, found)
    _close_corrected(conn, ended, at)
    _open_suspicions(conn, begun, at)
    return {*begun, *ended}


def held(conn: psycopg.Connection, patients: Collection[int]) -> set[int]:
    """Those of these patients whose records may be two people's."""
    return {row[0] for row in conn.execute(_HELD, {"of": list(patients)})} & set(patients)


def settle(
    conn: psycopg.Connection, patient: int, outcome: Outcome, steward: str, reason: str, at: datetime
) -> bool:
    """A steward's word on an open suspicion; False when there is none.

    `two-people` keeps the person held until the partner corrects the record.
    """
    done = conn.execute(
        "UPDATE overlay SET outcome = %s, steward = %s, reason = %s, decided = %s"
        " WHERE patient = %s AND (outcome IS NULL OR outcome = 'two-people')",
        (outcome, steward, reason, at, patient),
    )
    return bool(done.rowcount)


def _open(conn: psycopg.Connection, patients: Collection[int]) -> dict[int, dict[str, Any]]:
    rows = conn.execute(
        "SELECT patient, before FROM overlay"
        " WHERE patient = ANY(%s) AND (outcome IS NULL OR outcome = 'two-people')",
        (list(patients),),
    )
    return dict(rows.fetchall())


def _open_suspicions(
    conn: psycopg.Connection, begun: Mapping[int, tuple[Mapping[str, Any], Match]], at: datetime
) -> None:
    conn.cursor().executemany(
        "INSERT INTO overlay (patient, since, before, evidence) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (patient) DO UPDATE SET since = excluded.since, before = excluded.before,"
        "  evidence = excluded.evidence, outcome = NULL, decided = NULL, steward = NULL, reason = NULL",
        [
            (patient, at, orjson.dumps(before).decode(), orjson.dumps(evidence_of(match)).decode())
            for patient, (before, match) in begun.items()
        ],
    )


def _close_corrected(conn: psycopg.Connection, patients: list[int], at: datetime) -> None:
    conn.execute(
        "UPDATE overlay SET outcome = 'corrected', decided = %s WHERE patient = ANY(%s)", (at, patients)
    )


def evidence_of(match: Match) -> dict[str, Any]:
    """Bits by field and the rule that limited the grade, as stored with links, reviews and overlays."""
    fields = {part.field: [part.level, part.weight] for part in match.evidence}
    return {"fields": fields, "rule": match.rule} if match.rule else {"fields": fields}

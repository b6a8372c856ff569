"""What answers of the API left out, and under which exception of 45 CFR 171: found afterwards, from the log.

An answer says nothing of what it leaves out and takes no longer for it. Whom a request was about is read from
it; what is known of that person, of the type that was asked for, is decided again for who asked.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from exchange.consent import Context, decide
from exchange.delivery.withholding import Withheld, denied, kept_by_relationship, related_to
from exchange.model.audit import ASKED, GIVEN_AS
from exchange.model.records import Viewer
from exchange.repository import load_classes

_MOST = 2_000
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TARGET = re.compile(rf"/fhir/([A-Z][A-Za-z]+)(?:/({_ID}))?(/\$everything)?")
_ANY_ID = re.compile(_ID)


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: who asked, in which way it was answered, of which type, about whom by any id of theirs."""

    sequence: int
    at: datetime
    viewer: Viewer
    kind: str
    type: str | None
    record: UUID | None
    people: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Records of one answer that one word kept back."""

    sequence: int
    at: datetime
    participant: str
    purpose: str
    category: str
    because: list[str]
    exception: str
    records: int


def look_at_answers(conn: psycopg.Connection, context_at: Callable[[datetime], Context], at: datetime) -> int:
    """Looks at answers that were not looked at yet, some thousands at most; how many. The caller commits."""
    row = conn.execute("SELECT sequence FROM answer_looked FOR UPDATE").fetchone()
    rows = conn.execute(
        "SELECT sequence, kind, participant, patient::text, body FROM audit_event WHERE sequence > %s"
        " AND (kind = ANY(%s) OR kind = 'denied' AND body ->> 'outcomeDesc' LIKE '404%%')"
        " AND participant IS NOT NULL ORDER BY sequence LIMIT %s",
        (row[0] if row else 0, list(ASKED), _MOST),
    ).fetchall()
    for one in rows:
        answered = _answered(*one)
        _note(conn, answered, context_at(answered.at), at)
    if rows:
        conn.execute(
            "INSERT INTO answer_looked (sequence) VALUES (%s)"
            " ON CONFLICT (one) DO UPDATE SET sequence = excluded.sequence",
            (rows[-1][0],),
        )
    return len(rows)


def left_out(conn: psycopg.Connection, participant: str | None = None, most: int = 200) -> list[LeftOut]:
    """The newest, of answers to one participant or to all."""
    rows = conn.execute(
        "SELECT w.sequence, (e.body ->> 'recorded')::timestamptz, e.participant,"
        " coalesce(e.body #>> '{purposeOfEvent,0,coding,0,code}', ''), w.category, w.because, w.exception,"
        " w.records FROM answer_withheld w JOIN audit_event e USING (sequence)"
        " WHERE %(p)s::text IS NULL OR e.participant = %(p)s ORDER BY w.sequence DESC, 5 LIMIT %(n)s",
        {"p": participant, "n": most},
    ).fetchall()
    return [LeftOut(*row) for row in rows]


def _answered(sequence: int, kind: str, participant: str, patient: str | None, event: Any) -> Answered:
    asking: Any = next((agent for agent in event["agent"] if agent.get("requestor")), {})
    role = asking.get("role", [{"text": ""}])[0]["text"]
    purpose = event["purposeOfEvent"][0]["coding"][0]["code"]
    queries = [b64decode(e["query"]).decode() for e in event["entity"] if "query" in e]
    request = queries[0] if queries else ""
    target = _TARGET.search(request)
    ids = {UUID(found) for found in _ANY_ID.findall(request)} | ({UUID(patient)} if patient else set())
    record = UUID(target[2]) if kind == "denied" and target and target[2] and not target[3] else None
    whole = target is None or target[3] is not None or (target[1] == "Patient" and record is None)
    kind_asked = None if whole or target is None else target[1]
    return Answered(
        sequence,
        datetime.fromisoformat(event["recorded"]),
        Viewer(participant, role, purpose),
        kind,
        kind_asked,
        record,
        tuple(sorted(ids)),
    )


# Classes of what is known of these people, or of one record, held or kept out of the repository.
_OF_PEOPLE = """
WITH near AS MATERIALIZED (
    SELECT same.patient FROM patient asked JOIN patient same ON same.person = asked.person
    WHERE asked.fhir_id = ANY (%(people)s::uuid[]) OR asked.golden_id = ANY (%(people)s::uuid[]))
SELECT x.class, x.patient, count(*)::int FROM (
    SELECT type, fhir_id, class, patient FROM resource WHERE patient = ANY (ARRAY(SELECT patient FROM near))
    UNION SELECT type, fhir_id, class, patient FROM withheld
    WHERE patient = ANY (ARRAY(SELECT patient FROM near))) AS x
WHERE %(type)s::text IS NULL OR x.type = %(type)s
GROUP BY 1, 2
"""
_OF_RECORD = """
SELECT x.class, x.patient, count(*)::int FROM (
    SELECT type, fhir_id, class, patient FROM resource WHERE (type, fhir_id) = (%(type)s, %(record)s)
    UNION SELECT type, fhir_id, class, patient FROM withheld
    WHERE (type, fhir_id) = (%(type)s, %(record)s)) AS x
GROUP BY 1, 2
"""


def _note(conn: psycopg.Connection, one: Answered, context: Context, at: datetime) -> None:
    if not one.people:
        return
    asked = {"record": one.record, "people": list(one.people), "type": one.type}
    rows = conn.execute(_OF_RECORD if one.record else _OF_PEOPLE, asked).fetchall()
    found: Counter[tuple[str, tuple[str, ...], str]] = Counter()
    for kept, records in _kept(conn, one, rows, context, at):
        if kept.exception:
            found[kept.category, kept.because, kept.exception] += records
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO answer_withheld (sequence, category, because, exception, records, looked, rules)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (one.sequence, category, list(because), exception, records, at, context.rules.digest)
                for (category, because, exception), records in found.items()
            ],
        )


def _kept(
    conn: psycopg.Connection,
    one: Answered,
    rows: list[tuple[int, int | None, int]],
    context: Context,
    at: datetime,
) -> Iterator[tuple[Withheld, int]]:
    known = load_classes(conn, {number for number, _, _ in rows})
    related = related_to(conn, one.viewer, {patient for _, patient, _ in rows}, at)
    action = GIVEN_AS.get(one.kind, "access")
    for number, patient, records in rows:
        answer = decide(known[number], one.viewer, context, at, action)
        if answer.effect == "deny":
            yield denied(one.sequence, answer.because, context), records
        elif answer.needs_relationship and patient not in related:
            yield kept_by_relationship(one.sequence, answer.because), records

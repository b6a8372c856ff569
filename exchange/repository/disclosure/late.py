"""Disclosures that were made before a label came and would be denied now: the privacy officer's worklist."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from exchange.consent import Context, decide
from exchange.model.audit import DISCLOSURES, GIVEN_AS
from exchange.model.records import Viewer
from exchange.repository.disclosure.reasons import named_reasons
from exchange.repository.disclosure.viewers import load_classes
from exchange.repository.disclosure.worklist import decide_entry, stretch_of

Closing = Literal["recall", "breach", "no-action"]
"""The recipient is asked to give it back or destroy it; it goes to breach assessment; neither is needed."""


class Moved(NamedTuple):
    """A stored resource that came from one class into another."""

    type: str
    fhir_id: UUID
    partner: str
    patient: int | None
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class LateDisclosure:
    """What somebody got and would not get now; the events are numbers (sequence) of the audit log."""

    entry: int
    found: datetime
    type: str
    fhir_id: UUID
    partner: str
    labels: list[str]
    participant: str
    purpose: str
    because: list[str]
    first_event: int
    last_event: int
    times: int
    decision: Closing | None
    reason: str | None
    decided_by: str | None
    decided: datetime | None


# Every answer names its resources; a requester knows a person under any id of the person's records, and a
# golden Patient does not say from which of them it was composed. What went out about a person is found by
# these ids. What went out about nobody is looked through once, and only where such a record moved.
_WENT_OUT = """
WITH m AS MATERIALIZED (
    SELECT * FROM unnest(%(types)s::text[], %(ids)s::uuid[], %(partners)s::text[], %(patients)s::int[],
        %(old)s::int[], %(new)s::int[]) AS m (type, fhir_id, partner, patient, old, new)
), known AS MATERIALIZED (
    SELECT DISTINCT asked.patient, id.known_as
    FROM patient asked JOIN patient same ON same.person = asked.person
    CROSS JOIN LATERAL (VALUES (same.fhir_id), (same.golden_id)) AS id (known_as)
    WHERE asked.patient IN (SELECT patient FROM m)
), e AS MATERIALIZED (
    -- OFFSET 0: one id after the other along the index, whatever the planner believes of how many they are.
    SELECT k.patient, x.sequence, x.participant, x.kind, x.body
    FROM known k CROSS JOIN LATERAL (
        SELECT sequence, participant, kind, body FROM audit_event
        WHERE patient = k.known_as AND kind = ANY (%(kinds)s) OFFSET 0) AS x
    UNION ALL
    SELECT NULL, sequence, participant, kind, body FROM audit_event
    WHERE (SELECT bool_or(patient IS NULL) FROM m) AND patient IS NULL AND kind = ANY (%(kinds)s)
      AND EXISTS (
        SELECT FROM json_array_elements(body -> 'entity') AS n (entity) JOIN m ON m.patient IS NULL
          AND m.type IN (n.entity #>> '{type,code}', split_part(n.entity #>> '{what,reference}', '/', 1)))
)
SELECT e.sequence, m.type, m.fhir_id, m.partner, m.patient, m.old, m.new, e.participant,
       e.body #>> '{purposeOfEvent,0,coding,0,code}', coalesce(recipient.value #>> '{role,0,text}', ''),
       coalesce(named.there, false), e.kind
FROM m JOIN e ON coalesce(e.patient, 0) = coalesce(m.patient, 0)      -- nobody has the number 0
CROSS JOIN LATERAL (
    SELECT value FROM json_array_elements(e.body -> 'agent') AS a (value)
    WHERE a.value ->> 'requestor' = 'true') AS recipient
LEFT JOIN LATERAL (
    SELECT true AS there
    FROM json_array_elements(e.body -> 'entity') AS n (entity)
    WHERE n.entity #>> '{role,code}' = '4'                       -- what went out, not whom it is about
      AND (n.entity #>> '{what,reference}' = m.type || '/' || m.fhir_id
        OR m.type = 'Patient' AND n.entity #>> '{what,reference}' LIKE 'Patient/%%'
        OR n.entity #>> '{type,code}' = m.type
          AND m.fhir_id::text = ANY (string_to_array(n.entity #>> '{detail,0,valueString}', ' ')))
    LIMIT 1) AS named ON true
WHERE named.there OR EXISTS (
    SELECT FROM json_array_elements(e.body -> 'entity') AS n (entity)
    WHERE n.entity #>> '{type,code}' = m.type
      AND (m.type = 'Patient' OR n.entity #> '{detail}' IS NULL))
ORDER BY e.sequence
"""


def note_late_disclosures(
    conn: psycopg.Connection, moved: Collection[Moved], context: Context, at: datetime
) -> int:
    """Writes what each recipient of a moved resource got and would be denied now; returns how many are new.

    A golden Patient, and an answer of which only types were recorded, count where the class of before was
    permitted.
    """
    each = list(moved)
    columns = ("types", "ids", "partners", "patients", "old", "new")
    values = {name: [row[position] for row in each] for position, name in enumerate(columns)}
    events = conn.execute(_WENT_OUT, {**values, "kinds": list(DISCLOSURES)}).fetchall()
    classes = load_classes(conn, {number for row in events for number in row[5:7]})
    entries: dict[_Entry, _Times] = {}
    for row in events:
        sequence, kind, fhir_id, partner, patient, old, new, *asked = row
        participant, purpose, role, named, event = asked
        viewer = Viewer(participant, role, purpose)
        action = GIVEN_AS[event]
        now = decide(classes[new], viewer, context, at, action)
        told = named and kind != "Patient"
        went_out = told or decide(classes[old], viewer, context, at, action).effect == "permit"
        if now.effect == "permit" or not went_out:
            continue
        late = tuple(sorted(set(classes[new].labels) - set(classes[old].labels)))
        entry = _Entry(kind, fhir_id, partner, late, participant, purpose)
        before = entries.get(entry)
        if before is None:
            told_as = named_reasons(conn, patient, new, now.because)
            before = _Times(tuple(told_as), sequence, sequence, 0)
        entries[entry] = before._replace(last_event=sequence, times=before.times + 1)
    return sum(_write(conn, entry, times, at) for entry, times in entries.items())


class _Entry(NamedTuple):
    type: str
    fhir_id: UUID
    partner: str
    labels: tuple[str, ...]
    participant: str
    purpose: str


class _Times(NamedTuple):
    because: tuple[str, ...]
    first_event: int
    last_event: int
    times: int


def _write(conn: psycopg.Connection, entry: _Entry, times: _Times, at: datetime) -> int:
    values = {**entry._asdict(), **times._asdict(), "found": at}
    values |= {"labels": list(entry.labels), "because": list(times.because)}
    return conn.execute(
        "INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose, because,"
        " first_event, last_event, times) VALUES (%(found)s, %(type)s, %(fhir_id)s, %(partner)s, %(labels)s,"
        " %(participant)s, %(purpose)s, %(because)s, %(first_event)s, %(last_event)s, %(times)s)"
        " ON CONFLICT DO NOTHING",
        values,
    ).rowcount


def late_disclosures(conn: psycopg.Connection, closed: bool = False) -> list[LateDisclosure]:
    """The entries that wait for a decision, or all of them, oldest first."""
    with conn.cursor(row_factory=class_row(LateDisclosure)) as cursor:
        return cursor.execute(
            "SELECT * FROM late_disclosure WHERE %s OR decision IS NULL ORDER BY entry", [closed]
        ).fetchall()


def late_disclosure(conn: psycopg.Connection, entry: int) -> LateDisclosure | None:
    """One entry by number."""
    with conn.cursor(row_factory=class_row(LateDisclosure)) as cursor:
        return cursor.execute("SELECT * FROM late_disclosure WHERE entry = %s", [entry]).fetchone()


def patient_of_late(conn: psycopg.Connection, late: LateDisclosure) -> str | None:
    """FHIR id of the Patient whose record it is, held or withheld; None: of nobody, or it is gone."""
    row = conn.execute(
        "SELECT DISTINCT p.fhir_id::text FROM patient p JOIN ("
        " SELECT patient FROM resource WHERE (type, fhir_id) = (%(t)s, %(i)s)"
        " UNION SELECT patient FROM withheld WHERE (type, fhir_id) = (%(t)s, %(i)s)) AS x USING (patient)",
        {"t": late.type, "i": late.fhir_id},
    ).fetchone()
    return str(row[0]) if row else None


def late_disclosures_by(
    conn: psycopg.Connection, decided: bool, after: int | None, limit: int
) -> list[LateDisclosure]:
    """Those that wait, the oldest first, or those decided, the newest first; from the entry `after` on."""
    with conn.cursor(row_factory=class_row(LateDisclosure)) as cursor:
        return cursor.execute(
            f"SELECT * FROM late_disclosure WHERE {stretch_of('entry', decided)} LIMIT %(limit)s",
            {"after": after, "limit": limit},
        ).fetchall()


def close_late_disclosure(
    conn: psycopg.Connection, entry: int, decision: Closing, reason: str, officer: str, at: datetime
) -> None:
    """Records what the privacy officer decided, once; raises Conflict when there is nothing to decide."""
    listed_by = "exchange consent late"
    decide_entry(conn, "late_disclosure", entry, decision, reason, officer, at, listed_by)

"""Unusual access, told from the log alone: each participant, role and account against its own past.

A finding is a question to the privacy officer, not a verdict: every one is decided, and the decision stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from exchange.audit.chain import append
from exchange.audit.kin import look_at_kin
from exchange.audit.mistaken import look_at_mistaken
from exchange.audit.officers import decide_once, officer_entries
from exchange.audit.parts import recorded
from exchange.model.audit import ASKED, LOOKED

Decision = Literal["explained", "investigate", "sanction"]

_BASELINE = timedelta(days=30)
_LEAST_DAYS = 5
_MANY_REFUSALS = 20

# `participant` is who asked, or `account <login>` of who looked at the console.
_LOG = """
log AS (
    SELECT e.sequence, e.kind, e.patient, (e.body ->> 'recorded')::timestamptz AS at,
        coalesce(e.participant, 'account ' || (a.value #>> '{who,display}')) AS participant,
        e.participant IS NULL AS at_console, coalesce(a.value #>> '{role,0,text}', '') AS role
    FROM audit_event e CROSS JOIN LATERAL (
        SELECT value FROM json_array_elements(e.body -> 'agent') WHERE value ->> 'requestor' = 'true' LIMIT 1
    ) AS a
    WHERE (e.kind = ANY (%(asked)s) AND e.participant IS NOT NULL OR e.kind = ANY (%(looked)s))
      AND (e.body ->> 'recorded') COLLATE "C" >= %(from)s AND (e.body ->> 'recorded') COLLATE "C" < %(until)s
)
"""
_ACCESS = f"""
{_LOG}, access AS (
    SELECT * FROM log WHERE kind <> 'denied' AND patient IS NOT NULL
), today AS (SELECT * FROM access WHERE at >= %(day)s), past AS (SELECT * FROM access WHERE at < %(day)s)
"""
_INTO = (
    "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,"
    " last_event, found) "
)
_TAIL = " ON CONFLICT DO NOTHING"

# People seen in a day: more than twice the mean and more than three deviations above it.
_VOLUME = f"""
WITH {_ACCESS}, days AS (
    SELECT participant, role, (at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT patient) AS people
    FROM past GROUP BY 1, 2, 3
), usual AS (
    SELECT participant, role, avg(people) AS mean, coalesce(stddev_samp(people), 0) AS deviation
    FROM days GROUP BY 1, 2 HAVING count(*) >= {_LEAST_DAYS}
)
{_INTO}
SELECT 'volume', t.participant, t.role, %(on)s, NULL, count(DISTINCT t.patient), max(u.mean),
    min(t.sequence), max(t.sequence), %(at)s
FROM today t JOIN usual u USING (participant, role) GROUP BY t.participant, t.role
HAVING count(DISTINCT t.patient) > greatest(2 * max(u.mean), max(u.mean) + 3 * max(u.deviation)){_TAIL}
"""

# Hours of the day (UTC) in which less than one in a hundred of its accesses fell before.
_HOURS = f"""
WITH {_ACCESS}, hours AS (
    SELECT participant, role, extract(hour FROM at AT TIME ZONE 'UTC') AS hour,
        count(*)::float / sum(count(*)) OVER (PARTITION BY participant, role) AS share
    FROM past GROUP BY 1, 2, 3
), usual AS (
    SELECT participant, role FROM past GROUP BY 1, 2
    HAVING count(DISTINCT (at AT TIME ZONE 'UTC')::date) >= {_LEAST_DAYS}
)
{_INTO}
SELECT 'hours', t.participant, t.role, %(on)s, NULL, count(*), max(coalesce(h.share, 0)),
    min(t.sequence), max(t.sequence), %(at)s
FROM today t JOIN usual u USING (participant, role)
LEFT JOIN hours h ON (h.participant, h.role, h.hour)
    = (t.participant, t.role, extract(hour FROM t.at AT TIME ZONE 'UTC'))
WHERE coalesce(h.share, 0) < 0.01 GROUP BY t.participant, t.role{_TAIL}
"""

# A person with whom the participant has no care relationship now.
_STRANGERS = f"""
WITH {_ACCESS}
{_INTO}
SELECT 'no-relationship', t.participant, t.role, %(on)s, t.patient, count(*), 0,
    min(t.sequence), max(t.sequence), %(at)s
FROM today t
WHERE NOT t.at_console AND NOT EXISTS (
    SELECT FROM patient g JOIN patient p USING (person)
    LEFT JOIN relationship r ON r.patient = p.patient AND r.participant = t.participant
        AND r.until > %(day)s AND r.basis <> 'break-glass'
    WHERE t.patient IN (g.golden_id, g.fhir_id) AND (r.patient IS NOT NULL OR p.partner = t.participant))
GROUP BY t.participant, t.role, t.patient{_TAIL}
"""

# People whose own records say that they need watching over: celebrities, employees, protection asked for.
_PROTECTED = f"""
WITH {_ACCESS}
{_INTO}
SELECT 'protected-person', t.participant, t.role, %(on)s, t.patient, count(*), 0,
    min(t.sequence), max(t.sequence), %(at)s
FROM today t
WHERE EXISTS (
    SELECT FROM patient g JOIN patient p USING (person) JOIN resource r ON r.patient = p.patient
    JOIN disclosure_class c USING (class)
    WHERE t.patient IN (g.golden_id, g.fhir_id) AND p.partner <> t.participant
      AND c.labels && ARRAY['VIP', 'CEL', 'EMP', 'PRS'])
GROUP BY t.participant, t.role, t.patient{_TAIL}
"""

# Requests that were refused or found nothing that is there: who tries ids and names meets many, from day one.
_REFUSALS = f"""
WITH {_LOG}, days AS (
    SELECT participant, role, (at AT TIME ZONE 'UTC')::date AS day, count(*) AS times,
        min(sequence) AS first, max(sequence) AS last
    FROM log WHERE kind = 'denied' GROUP BY 1, 2, 3
), usual AS (
    SELECT participant, role, avg(times) AS mean, coalesce(stddev_samp(times), 0) AS deviation
    FROM days WHERE day < %(on)s GROUP BY 1, 2
)
{_INTO}
SELECT 'refusals', t.participant, t.role, %(on)s, NULL, t.times, coalesce(u.mean, 0), t.first, t.last, %(at)s
FROM days t LEFT JOIN usual u USING (participant, role)
WHERE t.day = %(on)s
  AND t.times > greatest({_MANY_REFUSALS}, 2 * coalesce(u.mean, 0), u.mean + 3 * u.deviation){_TAIL}
"""
_LOOKS = (_VOLUME, _HOURS, _STRANGERS, _PROTECTED, _REFUSALS)


@dataclass(frozen=True, slots=True)
class Unusual:
    """What one participant or account did on one day that it does not usually do."""

    entry: int
    kind: str
    participant: str
    role: str
    day: date
    patient: UUID | None
    measured: float
    usual: float
    first_event: int
    last_event: int
    decision: Decision | None
    reason: str | None
    decided_by: str | None
    decided: datetime | None


def look(conn: psycopg.Connection, day: datetime, at: datetime) -> int:
    """Looks at the day that begins at `day`; returns how many questions are new. The caller commits."""
    asked = {
        "from": recorded(day - _BASELINE),
        "until": recorded(day + timedelta(days=1)),
        "day": day,
        "on": day.date(),
        "at": at,
        "asked": [*ASKED, "denied"],
        "looked": list(LOOKED),
    }
    found = sum(conn.execute(each, asked).rowcount for each in _LOOKS)
    return found + look_at_kin(conn, day, at) + look_at_mistaken(conn, day, at)


_COLUMNS = (
    "entry, kind, participant, role, day, patient, measured, usual, first_event, last_event,"
    " decision, reason, decided_by, decided"
)


def unusual(conn: psycopg.Connection, decided: bool = False) -> list[Unusual]:
    """The questions that wait, or all of them, oldest first."""
    with conn.cursor(row_factory=class_row(Unusual)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM access_watch WHERE %s OR decision IS NULL ORDER BY entry", (decided,)
        ).fetchall()


def unusual_by(conn: psycopg.Connection, decided: bool, after: int | None, most: int) -> list[Unusual]:
    """Those that wait or those that are decided, oldest first: at most so many after an entry."""
    which = "IS NOT NULL" if decided else "IS NULL"
    with conn.cursor(row_factory=class_row(Unusual)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM access_watch WHERE decision {which} AND entry > %s"
            " ORDER BY entry LIMIT %s",
            (after or 0, most),
        ).fetchall()


def unusual_entry(conn: psycopg.Connection, entry: int) -> Unusual | None:
    """One question by its number."""
    with conn.cursor(row_factory=class_row(Unusual)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM access_watch WHERE entry = %s", (entry,)).fetchone()


def decide_unusual(
    conn: psycopg.Connection, entry: int, decision: Decision, officer: str, reason: str, at: datetime
) -> None:
    """What the officer found, once; the caller commits.

    Raises Conflict when there is nothing to decide, or when it is the officer's own access.
    """
    (patient,) = decide_once(
        conn,
        "UPDATE access_watch SET decision = %s, reason = %s, decided_by = %s, decided = %s"
        " WHERE entry = %s AND decision IS NULL AND participant <> 'account ' || %s RETURNING patient::text",
        (decision, reason, officer, at, entry, officer),
        f"entry {entry} does not wait for a decision of yours; list: exchange audit unusual",
    )
    patients = [patient] if patient else []
    append(conn, officer_entries("watch.decided", officer, f"{decision}: {reason}", patients, at))

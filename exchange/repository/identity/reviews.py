"""What waits for a match steward, by harm, and what was said of the identity of patients before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson
import psycopg
from psycopg.rows import class_row, kwargs_row

from exchange.model.records import Resource
from exchange.repository.identity.edges import pair_of


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two patients who may be one person; `harm` 3 overlay, 2 protected, 1 care on both sides, 0 other.

    It is that of the persons they are of: whoever answers joins or parts all their records.
    """

    a: int
    b: int
    partners: tuple[str, str]
    probability: float
    rule: str
    evidence: Mapping[str, Any]
    harm: int
    opened: datetime
    asked: datetime | None
    decision: str | None
    steward: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Overlay:
    """A patient whose record turned into another person's; what is known of the person is held back."""

    patient: int
    partner: str
    since: datetime
    rule: str
    evidence: Mapping[str, Any]
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the identity of a patient: linked, possible, unlinked, kept-apart, with its ground."""

    event: int
    at: datetime
    kind: str
    a: int
    b: int | None
    grade: str | None
    probability: float | None
    basis: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """`person.merged` or `person.split`: the person `before` is, or partly is, the person `after` now."""

    event: int
    at: datetime
    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Told(Change):
    """With a record of either person, the partners of both, and the steward whose word it was, if any's."""

    a: int
    b: int
    partners: list[str]
    steward: str | None


# The wrong link of an overlay shows one person's chart as another's; a protected record would cross a wrong
# link; a missed one hides allergies and medications of either side. A doubt between two who are one person by
# other links asks nothing; a link that was passed over, since it would join people who are kept apart, or who
# have no link of their own, does.
# Two persons are one question however many records they have: the answer about one pair is that about all,
# and what a wrong one does is found in all of them, once for each person.
_DOUBTS = """
WITH apart AS MATERIALIZED (
    SELECT DISTINCT person FROM patient p
    WHERE EXISTS (SELECT FROM patient_apart x WHERE x.a = p.patient)
        OR EXISTS (SELECT FROM patient_apart x WHERE x.b = p.patient)
), passed_over AS (
    SELECT DISTINCT least(e.a, e.b) AS a, greatest(e.a, e.b) AS b, e.probability
    FROM apart JOIN patient p ON p.person = apart.person JOIN patient_edge e ON e.a = p.patient
    JOIN patient q ON q.patient = e.b AND q.person <> p.person
    UNION SELECT e.a, e.b, e.probability
    FROM patient_edge e JOIN patient p ON p.patient = e.a JOIN patient q ON q.patient = e.b
    WHERE e.a < e.b AND e.basis LIKE '%%-may-be-another' AND q.person <> p.person
), open AS MATERIALIZED (
    SELECT m.a, m.b, m.probability, m.evidence, coalesce(m.evidence ->> 'rule', '') AS rule,
        m.opened, m.asked, m.decision, m.steward, m.reason, p.partner AS first, q.partner AS second,
        least(p.person, q.person) AS one, greatest(p.person, q.person) AS other
    FROM match_review m JOIN patient p ON p.patient = m.a JOIN patient q ON q.patient = m.b
    WHERE {reviewed}
    UNION ALL
    SELECT n.a, n.b, n.probability, '{{"rule": "fits-two-people"}}', 'fits-two-people',
        NULL, NULL, NULL, NULL, NULL, p.partner, q.partner,
        least(p.person, q.person), greatest(p.person, q.person)
    FROM passed_over n JOIN patient p ON p.patient = n.a JOIN patient q ON q.patient = n.b
    WHERE {passed_over} AND NOT EXISTS (SELECT FROM match_review m WHERE (m.a, m.b) = (n.a, n.b))
), asked_about AS MATERIALIZED (
    SELECT p.patient, p.person FROM patient p
    WHERE p.person IN (SELECT one FROM open UNION SELECT other FROM open)
), answered AS MATERIALIZED (
    SELECT least(p.person, q.person) AS one, greatest(p.person, q.person) AS other
    FROM match_review m JOIN asked_about p ON p.patient = m.a JOIN asked_about q ON q.patient = m.b
    WHERE m.decision = 'keep-apart'
), waiting AS (
    SELECT o.*, CASE WHEN rule = 'overlay' OR decision IS NOT NULL THEN ARRAY[a, b] END AS alone FROM open o
), unanswered AS (
    SELECT g.* FROM waiting g
    WHERE {every} OR alone IS NOT NULL OR (one, other) NOT IN (SELECT one, other FROM answered)
), question AS MATERIALIZED (
    SELECT DISTINCT ON (one, other, alone) * FROM unanswered
    ORDER BY one, other, alone, asked, probability DESC, a, b
), person AS MATERIALIZED (
    SELECT one AS person FROM question UNION SELECT other FROM question
), protected AS MATERIALIZED (
    SELECT class FROM disclosure_class WHERE cardinality(labels) > 0
), at_stake AS MATERIALIZED (
    SELECT person, CASE
        WHEN EXISTS (
            SELECT FROM patient p JOIN resource r ON r.patient = p.patient
            WHERE p.person = person.person AND r.class = ANY(ARRAY(SELECT class FROM protected))
        ) THEN 2
        WHEN EXISTS (
            SELECT FROM patient p JOIN resource r ON r.patient = p.patient
            WHERE p.person = person.person AND r.type = ANY(%(care)s)
        ) THEN 1
        ELSE 0 END AS stake
    FROM person
), graded AS (
    SELECT q.*, CASE WHEN q.rule = 'overlay' THEN 3 WHEN 2 IN (x.stake, y.stake) THEN 2
        ELSE least(x.stake, y.stake) END AS harm
    FROM question q JOIN at_stake x ON x.person = q.one JOIN at_stake y ON y.person = q.other
)
SELECT w.a, w.b, ARRAY[w.first, w.second] AS partners, w.probability, w.rule, w.harm,{evidence}
    coalesce(w.opened, (
        SELECT max(v.at) FROM link_event v WHERE v.kind = 'linked' AND (v.a, v.b) = (w.a, w.b)
    )) AS opened,
    w.asked, w.decision, w.steward, w.reason
FROM graded w
ORDER BY harm DESC, w.probability DESC, w.a, w.b LIMIT %(limit)s
"""
_WAITS = "m.decision IS NULL AND (p.person <> q.person OR m.evidence ->> 'rule' = 'overlay')"
_CARE = ["AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement"]


def doubts(
    conn: psycopg.Connection, pair: tuple[int, int] | None = None, limit: int | None = None
) -> list[Doubt]:
    """Those that wait, worst harm first, the likeliest pair of any two persons, without their evidence; with
    `pair` that one alone, also when it is decided.
    """
    reviewed = _WAITS if pair is None else "(m.a, m.b) = (%(a)s, %(b)s)"
    passed_over = "true" if pair is None else "(n.a, n.b) = (%(a)s, %(b)s)"
    every = "false" if pair is None else "true"
    evidence, row = ("", partial(Doubt, evidence={})) if pair is None else (" w.evidence,", Doubt)
    a, b = pair_of(*pair) if pair else (None, None)
    with conn.cursor(row_factory=kwargs_row(row)) as cursor:
        return cursor.execute(
            _DOUBTS.format(reviewed=reviewed, passed_over=passed_over, every=every, evidence=evidence),
            {"care": _CARE, "a": a, "b": b, "limit": limit},
        ).fetchall()


def overlays(conn: psycopg.Connection) -> list[Overlay]:
    """Records that turned into another person's and are not settled, oldest first."""
    with conn.cursor(row_factory=class_row(Overlay)) as cursor:
        return cursor.execute(
            "SELECT o.patient, p.partner, o.since, coalesce(o.evidence ->> 'rule', '') AS rule, o.evidence,"
            " o.outcome FROM overlay o JOIN patient p USING (patient)"
            " WHERE o.outcome IS NULL OR o.outcome = 'two-people' ORDER BY o.since, o.patient"
        ).fetchall()


def ask_partners(conn: psycopg.Connection, pair: tuple[int, int], at: datetime) -> bool:
    """Notes that the partners were asked; the pair waits on. False when it does not wait."""
    found = doubts(conn, pair)
    if not found or found[0].decision:
        return False
    doubt = found[0]
    conn.execute(
        "INSERT INTO match_review (a, b, probability, evidence, opened, asked)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (a, b) DO UPDATE SET asked = excluded.asked",
        (doubt.a, doubt.b, doubt.probability, orjson.dumps(dict(doubt.evidence)).decode(), doubt.opened, at),
    )
    return True


def patients_of(conn: psycopg.Connection, numbers: tuple[int, ...]) -> dict[int, tuple[str, Resource | None]]:
    """(FHIR id, the Patient as its partner sent it, None when it is not held) by number."""
    rows = conn.execute(
        "SELECT p.patient, p.fhir_id::text, r.body FROM patient p LEFT JOIN resource r"
        " ON r.type = 'Patient' AND r.fhir_id = p.fhir_id AND r.rendition = 0 WHERE p.patient = ANY(%s)",
        (list(numbers),),
    )
    return {number: (fhir_id, orjson.loads(body) if body else None) for number, fhir_id, body in rows}


def contributions_of(conn: psycopg.Connection, patient: int) -> list[tuple[int, str, str, Resource]]:
    """(number, FHIR id, partner, Patient as sent) of every record held of the person this patient is of."""
    rows = conn.execute(
        "SELECT p.patient, p.fhir_id::text, p.partner, r.body FROM patient own"
        " JOIN patient p ON p.person = own.person"
        " JOIN resource r ON r.type = 'Patient' AND r.fhir_id = p.fhir_id AND r.rendition = 0"
        " WHERE own.patient = %s ORDER BY p.fhir_id",
        (patient,),
    )
    return [(number, fhir_id, partner, orjson.loads(body)) for number, fhir_id, partner, body in rows]


def events_of(conn: psycopg.Connection, patient: int) -> list[Event]:
    """What linkage, partners and stewards said about a patient, oldest first."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(
            "SELECT event, at, kind, a, b, grade, probability, basis, evidence FROM link_event"
            " WHERE a = %(n)s OR b = %(n)s ORDER BY event",
            {"n": patient},
        ).fetchall()


def changes_of_persons(conn: psycopg.Connection, after: int, limit: int) -> list[Change]:
    """The feed of merged and split persons, after the event with that number."""
    with conn.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(
            "SELECT event, at, kind, evidence ->> 'from' AS before, evidence ->> 'to' AS after"
            " FROM link_event"
            " WHERE kind IN ('person.merged', 'person.split') AND event > %s ORDER BY event LIMIT %s",
            (after, limit),
        ).fetchall()


# A steward's word stands a few events before what it did, at the same moment.
_CHANGES_BACK = """
SELECT e.event, e.at, e.kind, e.evidence ->> 'from' AS before, e.evidence ->> 'to' AS after, e.a, e.b,
       (SELECT array_agg(DISTINCT p.partner ORDER BY p.partner)
        FROM patient p WHERE p.patient IN (e.a, e.b)) AS partners,
       (SELECT w.evidence ->> 'steward' FROM link_event w
        WHERE w.event < e.event AND w.event >= e.event - 100 AND w.at = e.at AND w.evidence ? 'steward'
        ORDER BY w.event DESC LIMIT 1) AS steward
FROM link_event e
WHERE e.kind IN ('person.merged', 'person.split') AND e.event < coalesce(%s, 9223372036854775807)
ORDER BY e.event DESC LIMIT %s
"""


def changes_back(conn: psycopg.Connection, before: int | None, limit: int) -> list[Told]:
    """Merged and split persons from the latest back, or from before the event with that number."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(_CHANGES_BACK, (before, limit)).fetchall()


def joined_since(conn: psycopg.Connection, pair: tuple[int, int]) -> datetime | None:
    """From when on the two may have been shown as one person; None when they are not one now.

    The later of the two first links: never later than the moment they were joined.
    """
    row = conn.execute(
        "SELECT max(first) FROM (SELECT n.patient, (SELECT min(at) FROM link_event e"
        "  WHERE e.kind = 'linked' AND (e.a = n.patient OR e.b = n.patient)) AS first"
        " FROM patient n WHERE n.patient IN (%(a)s, %(b)s)) AS linked"
        " WHERE (SELECT count(DISTINCT person) FROM patient WHERE patient IN (%(a)s, %(b)s)) = 1",
        {"a": pair[0], "b": pair[1]},
    ).fetchone()
    found: datetime | None = row[0] if row else None
    return found

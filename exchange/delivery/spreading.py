"""From the outbox to deliveries: each event once for each subscription it may concern, in order per Patient.

A Patient is that of one source: who is joined to another through a record that a recipient may not see is
told apart from him, and neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import psycopg

_SPREADING = 0x6F7574626F78
_MOST = 5_000

# Whether the participant may want to hear of it, by all links there are, also those that persons are not made
# of. Whether it does by the links it sees (concerned.py), and may, is decided when something is sent.
_SPREAD = """
WITH taken AS (
    DELETE FROM outbox WHERE event IN (SELECT event FROM outbox ORDER BY event LIMIT %(most)s) RETURNING *
), known AS (
    SELECT t.*, p.fhir_id AS source, ARRAY(
        SELECT q.person FROM patient q WHERE q.patient IN (t.patient, t.other)
        UNION SELECT q.person FROM patient_edge e JOIN patient q ON q.patient = e.b
        WHERE e.a IN (t.patient, t.other)) AS persons
    FROM taken t LEFT JOIN patient p ON p.patient = coalesce(t.other, t.patient)
), told AS (
INSERT INTO delivery_event (subscription, event, topic, at, type, fhir_id, rendition, patient, other, person)
SELECT s.subscription, t.event, t.topic, t.at, t.type, t.fhir_id, t.rendition, t.patient, t.other, t.source
FROM known t JOIN subscription s ON t.topic = ANY (s.topics) AND s.ended IS NULL AND s.started <= t.at
  AND coalesce((s.resource ->> 'end')::timestamptz > t.at, true)
WHERE (t.partner <> s.participant OR (s.facts ->> 'own_records')::bool)
  AND (t.happened IS NULL OR t.happened > t.at - make_interval(days => (s.facts ->> 'news_days')::int))
  AND (t.topic NOT LIKE 'resource-%%' OR jsonb_array_length(s.facts -> 'types') = 0
       OR s.facts -> 'types' ? t.type)
  AND (jsonb_array_length(coalesce(s.facts -> 'patients', '[]')) = 0 OR EXISTS (
      SELECT FROM patient q WHERE q.person = ANY (t.persons)
        AND (s.facts -> 'patients' ? q.fhir_id::text OR s.facts -> 'patients' ? q.golden_id::text)))
  AND CASE s.facts ->> 'panel'
      WHEN 'everyone' THEN true
      WHEN 'own' THEN EXISTS (
          SELECT FROM patient q
          WHERE q.person = ANY (t.persons) AND q.partner = s.participant AND q.active)
      ELSE EXISTS (
          SELECT FROM relationship r JOIN patient q USING (patient)
          WHERE q.person = ANY (t.persons) AND r.participant = s.participant AND r.until > t.at
            AND r.basis <> 'break-glass') END
ON CONFLICT DO NOTHING)
SELECT count(*) FROM taken
"""

_OPEN = """
WITH due AS (
    SELECT DISTINCT e.subscription, CASE WHEN s.facts ->> 'every' = 'at-once' THEN e.person END AS person
    FROM delivery_event e JOIN subscription s USING (subscription)
    WHERE e.delivery IS NULL AND e.subscription = %(subscription)s AND s.paused IS NULL
      AND s.facts ->> 'every' = ANY (%(every)s)
), opened AS (
    INSERT INTO delivery (delivery, subscription, person, created, next_attempt)
    SELECT gen_random_uuid(), subscription, person, %(at)s, %(at)s FROM due
    ON CONFLICT (subscription, person) WHERE state = 'open' DO NOTHING
    RETURNING delivery, subscription, person
)
UPDATE delivery_event e SET delivery = t.delivery FROM (
    SELECT w.subscription, w.event, o.delivery, (s.facts ->> 'max_count')::int AS most,
        row_number() OVER (PARTITION BY o.delivery ORDER BY w.event) AS place
    FROM opened o JOIN subscription s USING (subscription) JOIN delivery_event w USING (subscription)
    WHERE w.delivery IS NULL AND (s.facts ->> 'every' <> 'at-once' OR w.person IS NOT DISTINCT FROM o.person)
) t
WHERE (e.subscription, e.event) = (t.subscription, t.event) AND (t.most IS NULL OR t.place <= t.most)
"""


def spread(conn: psycopg.Connection) -> int:
    """Takes events from the outbox to the subscriptions they concern; returns how many were taken.

    One process at a time, so that nobody overtakes; the caller commits.
    """
    row = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_SPREADING,)).fetchone()
    if not row or not row[0]:
        return 0
    taken = conn.execute(_SPREAD, {"most": _MOST}).fetchone()
    return int(taken[0]) if taken else 0


def open_deliveries(conn: psycopg.Connection, subscription: int, every: Sequence[str], at: datetime) -> int:
    """Gathers what waits for a subscription of one of these rhythms into deliveries; returns the events.

    At once: one for each Patient, and the next only when that is closed. Else one for all that waits. Of more
    events than a subscription wants at a time the oldest go first.
    """
    asked = {"subscription": subscription, "every": list(every), "at": at}
    return conn.execute(_OPEN, asked).rowcount

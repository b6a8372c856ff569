"""What went out under a consent that turned out to be a mistake, of the wrong person say.

R4 calls such a Consent `entered-in-error` (https://hl7.org/fhir/R4/valueset-consent-state-codes.html). It
opens nothing any more; what rested on it was never permitted, and an officer has to look at each recipient.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg

from exchange.model.audit import DISCLOSURES

# `since` and `until` are while the Consent was followed. Records of before migration 177 say that a consent
# opened something and not which one: of these one too many is asked about, and none too few.
_MISTAKEN = """
WITH mistaken AS (
    SELECT p.person, d.consent, min(h.updated) AS since, max(r.updated) AS until
    FROM directive d JOIN patient p USING (patient)
    JOIN resource r ON (r.type, r.fhir_id, r.rendition) = ('Consent', d.consent, 0)
    JOIN resource_history h ON (h.type, h.fhir_id, h.rendition) = ('Consent', d.consent, 0)
    WHERE d.body ->> 'status' = 'entered-in-error' AND r.updated >= %(day)s AND r.updated < %(until)s
      AND convert_from(h.body, 'UTF8')::jsonb ->> 'status' = 'active'
    GROUP BY p.person, d.consent
), given AS (
    SELECT DISTINCT e.sequence, e.participant, e.patient, coalesce(a.value #>> '{role,0,text}', '') AS role
    FROM mistaken m JOIN patient p USING (person)
    JOIN audit_event e ON e.patient IN (p.golden_id, p.fhir_id)
    LEFT JOIN LATERAL (
        SELECT value FROM json_array_elements(e.body -> 'agent') WHERE value ->> 'requestor' = 'true' LIMIT 1
    ) AS a ON true
    WHERE e.kind = ANY (%(disclosures)s) AND e.participant IS NOT NULL
      AND (e.body ->> 'recorded')::timestamptz >= m.since
      AND (e.body ->> 'recorded')::timestamptz < m.until
      AND e.body ->> 'agent' ~ ('urn:mosaic:rule:consent:([0-9]+:|' || m.consent || ')')
)
INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,
    last_event, found)
SELECT 'mistaken-consent', participant, role, %(on)s, patient, count(*), 0, min(sequence),
    max(sequence), %(at)s
FROM given GROUP BY participant, role, patient ON CONFLICT DO NOTHING
"""


def look_at_mistaken(conn: psycopg.Connection, day: datetime, at: datetime) -> int:
    """Asks who got something under a Consent that was called a mistake on that day; returns how many."""
    asked = {
        "day": day,
        "until": day + timedelta(days=1),
        "on": day.date(),
        "at": at,
        "disclosures": list(DISCLOSURES),
    }
    return conn.execute(_MISTAKEN, asked).rowcount

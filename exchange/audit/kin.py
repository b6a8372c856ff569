"""Who looked at the own family or the own chart: a person of the same surname, of the same home, oneself.

The people who look are the accounts of the console and the users whom participants name when they ask for a
token (`subject_id`, `subject_name`). Who of them is a patient a privacy officer declares.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import psycopg

from exchange.audit.parts import recorded
from exchange.model.audit import ASKED, LOOKED

_TOKEN_LIFETIME = timedelta(hours=1)

# `looker` is the person, `participant` and `role` are how a question names him.
_SEEN = """
asker AS (SELECT * FROM unnest(
    %(tokens)s::text[], %(participants)s::text[], %(subjects)s::text[], %(names)s::text[])
    AS t (token, participant, subject, name)
), event AS (
    SELECT e.sequence, e.kind, e.participant, e.patient, e.body ->> 'recorded' AS at,
        e.body #>> '{agent,0,policy,0}' AS token, coalesce(a.value #>> '{role,0,text}', '') AS role,
        a.value #>> '{who,display}' AS display
    FROM audit_event e CROSS JOIN LATERAL (
        SELECT value FROM json_array_elements(e.body -> 'agent') WHERE value ->> 'requestor' = 'true' LIMIT 1
    ) AS a
    WHERE e.patient IS NOT NULL AND e.kind = ANY (%(kinds)s)
      AND (e.body ->> 'recorded') COLLATE "C" >= %(day)s AND (e.body ->> 'recorded') COLLATE "C" < %(until)s
), seen AS (
    SELECT sequence, patient, 'account ' || display AS looker, 'account ' || display AS participant, role,
        c.name
    FROM event e JOIN console_account c ON c.login = e.display WHERE e.participant IS NULL
    UNION ALL
    SELECT sequence, patient, 'user ' || e.participant || ' ' || t.subject, e.participant,
        concat_ws(' ', nullif(role, ''), t.subject), t.name
    FROM event e JOIN asker t USING (token, participant)
)
"""
_INTO = (
    "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,"
    " last_event, found) "
)

_FOLDED = (
    "regexp_split_to_array(regexp_replace(normalize(lower({}), NFKD), '[\u0300-\u036f]', '', 'g'), '[ -]+')"
)
_NAMESAKES = f"""
WITH {_SEEN}, named AS (
    SELECT seen.*, (x.words)[cardinality(x.words)] AS surname
    FROM seen CROSS JOIN LATERAL (SELECT {_FOLDED.format("trim(name)")} AS words) AS x
)
{_INTO}
SELECT 'same-name', t.participant, t.role, %(on)s, t.patient, count(*), 0,
    min(t.sequence), max(t.sequence), %(at)s
FROM named t
WHERE t.surname <> '' AND EXISTS (
    SELECT FROM patient g JOIN patient p USING (person)
    JOIN resource r ON (r.type, r.fhir_id) = ('Patient', p.fhir_id)
    CROSS JOIN LATERAL jsonb_path_query(convert_from(r.body, 'UTF8')::jsonb, '$.name[*].family') AS f (family)
    WHERE t.patient IN (g.golden_id, g.fhir_id) AND t.surname = ANY ({_FOLDED.format("f.family #>> '{{}}'")}))
GROUP BY t.participant, t.role, t.patient ON CONFLICT DO NOTHING
"""

# Every chart of a looker who was declared, and whom he saw. Addresses are those the identity index compares
# (number, street, unit, postal code, no placeholders as shelters); a part that is not said fits any.
_MET = f"""
WITH {_SEEN}, met AS (
    SELECT seen.*, own.person AS own, own.features AS home, p.person, p.features
    FROM seen JOIN workforce_patient w USING (looker)
    JOIN patient asked ON w.patient IN (asked.fhir_id, asked.golden_id)
    JOIN patient own ON own.person = asked.person
    JOIN patient g ON seen.patient IN (g.fhir_id, g.golden_id) JOIN patient p ON p.person = g.person
    WHERE w.ended IS NULL
)
{_INTO}
"""
_AT_HOME = f"""
{_MET}
SELECT 'same-home', t.participant, t.role, %(on)s, t.patient, count(DISTINCT t.sequence), 0,
    min(t.sequence), max(t.sequence), %(at)s
FROM met t
WHERE t.person <> t.own AND EXISTS (
    SELECT FROM jsonb_array_elements(t.home -> 'addresses') a,
        jsonb_array_elements(t.features -> 'addresses') b
    WHERE a ->> 0 <> '' AND a ->> 1 <> '' AND (a ->> 0, a ->> 1) = (b ->> 0, b ->> 1)
      AND (a ->> 2 = b ->> 2 OR '' IN (a ->> 2, b ->> 2))
      AND (a ->> 3 = b ->> 3 OR '' IN (a ->> 3, b ->> 3)))
GROUP BY t.participant, t.role, t.patient ON CONFLICT DO NOTHING
"""
_ONESELF = f"""
{_MET}
SELECT 'own-chart', t.participant, t.role, %(on)s, t.patient, count(DISTINCT t.sequence), 0,
    min(t.sequence), max(t.sequence), %(at)s
FROM met t WHERE t.person = t.own
GROUP BY t.participant, t.role, t.patient ON CONFLICT DO NOTHING
"""
_LOOKS = (_NAMESAKES, _AT_HOME, _ONESELF)


@dataclass(frozen=True, slots=True)
class Asker:
    """The person a participant named when it asked for a token; `token` is the token as records name it."""

    token: str
    participant: str
    subject: str
    name: str


def look_at_kin(conn: psycopg.Connection, day: datetime, at: datetime) -> int:
    """Looks at the day that begins at `day`; returns how many questions are new. The caller commits."""
    askers = list(_askers(conn, day))
    asked = {
        "day": recorded(day),
        "until": recorded(day + timedelta(days=1)),
        "on": day.date(),
        "at": at,
        "kinds": [*ASKED, *LOOKED],
        "tokens": [one.token for one in askers],
        "participants": [one.participant for one in askers],
        "subjects": [one.subject for one in askers],
        "names": [one.name for one in askers],
    }
    return sum(conn.execute(each, asked).rowcount for each in _LOOKS)


def _askers(conn: psycopg.Connection, day: datetime) -> Iterator[Asker]:
    """Who is named in the requests for tokens of the day, and of the time before that a token outlives."""
    rows = conn.execute(
        "SELECT participant, body FROM audit_event WHERE kind = 'token.issued' AND participant IS NOT NULL"
        " AND (body ->> 'recorded') COLLATE \"C\" >= %s AND (body ->> 'recorded') COLLATE \"C\" < %s",
        (recorded(day - _TOKEN_LIFETIME), recorded(day + timedelta(days=1))),
    )
    for participant, event in rows:
        told, token = _told(event)
        name, subject = told.get("subject_name", [""])[0], told.get("subject_id", [""])[0]
        if token and (name or subject):
            yield Asker(token, participant, subject or name, name)


def _told(event: Mapping[str, Any]) -> tuple[dict[str, list[str]], str]:
    """The form of a request for a token, and the token it got."""
    form: dict[str, list[str]] = {}
    token = ""
    for entity in event["entity"]:
        if "query" in entity:
            form = parse_qs(b64decode(entity["query"]).decode())
        elif "identifier" in entity.get("what", {}):
            token = str(entity["what"]["identifier"]["value"])
    return form, token

-- Every list of the exchange grows with the copies: a hundred copies are a million resources.

CREATE TEMP TABLE base AS
SELECT p.*, row_number() OVER (ORDER BY patient)::int AS place
FROM patient p
WHERE EXISTS (SELECT FROM resource r WHERE r.patient = p.patient AND r.body LIKE '%Family%');

CREATE TEMP TABLE copy AS
SELECT b.patient AS old, b.place, n, (1000000 + n * 1000 + b.place)::int AS new,
    md5(b.fhir_id::text || n)::uuid AS fhir_id
FROM base b, generate_series(1, :copies) AS n;

INSERT INTO patient (patient, fhir_id, golden_id, partner, person, profile, features, active, last_event)
OVERRIDING SYSTEM VALUE
SELECT c.new, c.fhir_id, md5('golden' || c.fhir_id)::uuid, b.partner, md5('p' || n || place / 2)::uuid,
    b.profile, b.features, true, now() - n * interval '1 day'
FROM copy c
JOIN base b USING (place);

INSERT INTO relationship
SELECT l.participant, c.new, l.basis, l.until
FROM relationship l
JOIN copy c ON c.old = l.patient;

INSERT INTO resource (type, fhir_id, rendition, partner, patient, class, cluster, rank, version, updated,
    event_time, record, content_hash, mapping_digest, rules_digest, body)
SELECT r.type, CASE r.type WHEN 'Patient' THEN c.fhir_id ELSE md5(r.fhir_id::text || n)::uuid END,
    r.rendition, r.partner, c.new, r.class, r.cluster, r.rank, 1, r.updated - n * interval '1 hour',
    r.event_time, r.record + n * 20000, r.content_hash, r.mapping_digest, r.rules_digest, r.body
FROM resource r
JOIN copy c ON c.old = r.patient;

INSERT INTO run (run, partner, kind, status, started, ended, pulled, pulled_all, seconds)
OVERRIDING SYSTEM VALUE
SELECT 1000 + n * 10 + s.place, s.partner, 'pull', CASE WHEN n % 50 = 0 THEN 'unbalanced' ELSE 'balanced' END,
    now() - (600 - n) * interval '3 hours', now() - (600 - n) * interval '3 hours' + interval '1 minute',
    CASE n WHEN 1 THEN 50000 ELSE 200 END * greatest(:copies / 100.0, 0.1), true, '{"map": 1.5}'
FROM unnest(:senders) WITH ORDINALITY AS s (partner, place), generate_series(1, 600) AS n;

INSERT INTO source_record (record, run, chunk, partner, feed, key, digest, address, position, deleted,
    outcome)
OVERRIDING SYSTEM VALUE
SELECT 1000000 + row_number() OVER (ORDER BY run, n), run, n / 500, partner, 'records', 'k' || run || n,
    ''::bytea, NULL, 'file.ndjson:' || n, false,
    (ARRAY['published','unchanged','published','unchanged','published','duplicate','unchanged','withheld','published','quarantined'])[n
    % 10 + 1]
FROM run, generate_series(1, pulled) AS n
WHERE run > 1000;

UPDATE run r SET early = '{}', records = (SELECT jsonb_object_agg(outcome, n)
FROM (SELECT outcome, count(*) AS n FROM source_record s WHERE s.run = r.run GROUP BY 1) AS counted)
WHERE run > 1000;

INSERT INTO resource_balance
SELECT run, 0, 'Observation', 'published', pulled
FROM run
WHERE run > 1000;

INSERT INTO quarantine (record, ordinal, severity, code, expression, position, detail)
SELECT record, 1, CASE WHEN record % 30 = 0 THEN 'warning' ELSE 'error' END, 'required', CASE WHEN record %
    500 = 9 THEN 'Consent.provision' ELSE 'Observation.element' || record % 37 END, position, 'element is
    missing'
FROM source_record
WHERE outcome = 'quarantined' AND record > 1000000;

INSERT INTO unmapped_code
SELECT run, 'records', 'gender', 'urn:x', 'code' || run * 7 % 60 + n, 'Patient.gender', 'sex', 3
FROM run, generate_series(1, 10) AS n
WHERE run > 1000;

INSERT INTO audit_event (sequence, kind, participant, patient, body, previous, hash)
SELECT 1000 + i, k.kind, k.participant, c.fhir_id, json_build_object('resourceType', 'AuditEvent',
    'recorded', to_char(now() - (5000 * :copies - i) * (interval '400 days' / (5000 * :copies)),
    'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'outcome', '0', 'purposeOfEvent',
    json_build_array(json_build_object('coding',  json_build_array(json_build_object('code', 'TREAT')))),
    'agent', json_build_array(json_build_object('who', json_build_object('display', k.participant),
    'requestor', true, 'role', json_build_array(json_build_object('text', 'organization')))), 'entity',
    json_build_array(json_build_object('role', json_build_object('code', '4'), 'what',
    json_build_object('reference', 'Patient/' || c.fhir_id), 'name', repeat('x', 300)))), ''::bytea,
    sha256(i::text::bytea)
FROM generate_series(1, 5000 * :copies) AS i
JOIN copy c ON c.place = i % 200 + 1 AND c.n = i % :copies + 1
CROSS JOIN LATERAL (SELECT
    (ARRAY['query','read','everything','query','denied','query','disclosure','console.viewed'])[i % 8 + 1]
    AS kind, (:senders)[(i / 8) % 8 + 1] AS participant) AS k;

UPDATE audit_head SET sequence = (SELECT max(sequence)
FROM audit_event), hash = (SELECT hash
FROM audit_event ORDER BY sequence DESC LIMIT 1);

INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose, because,
    first_event, last_event, times, decision, reason, decided_by, decided)
SELECT now(), 'Observation', md5('l' || n)::uuid, 'elm_clinic', '{HIV}', 'oak_clinic', 'TREAT',
    '{il-hiv-release}', n, n, 1, d.word, d.word, d.word, CASE WHEN d.word IS NULL THEN NULL ELSE now() END
FROM generate_series(1, 200 * :copies) AS n, LATERAL (SELECT CASE WHEN n % 2 = 0 THEN 'no-action' END AS
    word) AS d;

INSERT INTO emergency_access (at, until, participant, client, patient, statement, decision, reason,
    decided_by, decided)
SELECT now() - n * interval '1 hour', now(), 'oak_clinic', 'oak', c.fhir_id, '{"emergency_nature":
    "unconscious"}', 'justified', 'x', 'y', now()
FROM copy c
WHERE c.place <= 50;

INSERT INTO emergency_access (at, until, participant, client, patient, statement)
SELECT now(), now(), 'oak_clinic', 'oak', c.fhir_id, '{"emergency_nature": "unconscious"}'
FROM copy c
WHERE c.place = 51;

INSERT INTO recall (kind, cause, opened, opened_by, reason)
SELECT 'late-label', 'Observation/x', now(), 'officer', 'x'
FROM generate_series(1, 3 * :copies);

INSERT INTO recall_task (task, recall, participant, outcome, closed, closed_by, note)
SELECT gen_random_uuid(), recall, p, d.word, CASE WHEN d.word IS NULL THEN NULL ELSE now() END, d.word,
    d.word
FROM recall, unnest('{elm_clinic,oak_clinic}'::text[]) AS p, LATERAL (SELECT CASE WHEN recall % 5 > 0 THEN
    'destroyed' END AS word) AS d;

INSERT INTO recall_item
SELECT recall, participant, 'organization', 'TREAT', 'Observation/' || n, md5(recall || '-' || n)::uuid,
    '{1}', '{1}'
FROM recall_task, generate_series(1, 50) AS n;

INSERT INTO subscription (participant, name, declared, facts, topics, started)
SELECT 'elm_clinic', 'notices', 'partner.yaml', '{}', '{resource-published}', now();

INSERT INTO delivery (delivery, subscription, state, created, next_attempt, attempts, ended)
SELECT md5('d' || n)::uuid, (SELECT max(subscription)
FROM subscription), 'acknowledged', now(), now(), 1, now()
FROM generate_series(1, 1000 * :copies) AS n;

INSERT INTO receipt (receipt, delivery, participant, role, purpose, at, content, because, obligations,
    consents, rules_digest, withheld, outcome)
OVERRIDING SYSTEM VALUE
SELECT 1000 + n, md5('d' || n)::uuid, 'elm_clinic', 'organization', 'TREAT', now() - (1000 * :copies - n) *
    interval '5 minutes', ''::bytea, '{x}', '{}', '{}', 'r', '{"SUD": 1}', 'acknowledged'
FROM generate_series(1, 1000 * :copies) AS n;

INSERT INTO receipt_item
SELECT 1000 + n, 'Observation', md5(n || '-' || i)::uuid, '1', NULL, '{}', '{}'
FROM generate_series(1, 1000 * :copies) AS n, generate_series(1, 3) AS i;

INSERT INTO match_review (a, b, probability, evidence, decision, opened)
SELECT least(c.new, d.new), greatest(c.new, d.new), 0.3 + (c.new % 60) / 100.0, '{"fields": {}}', CASE WHEN
    c.place <= 40 THEN NULL ELSE 'keep-apart' END, now() - c.n * interval '1 day'
FROM copy c
JOIN copy d ON d.n = c.n AND d.place = c.place + 7
WHERE c.place <= 190;

INSERT INTO patient_apart
SELECT a, b, 'steward'
FROM match_review
WHERE decision = 'keep-apart';

INSERT INTO link_event (at, kind, a, b, grade, probability, basis, evidence)
SELECT now(), k.kind, a, b, 'certain', probability, 'model:1', '{"from": "x", "to": "y"}'
FROM match_review, unnest('{possible,linked,person.merged}'::text[]) AS k (kind);

INSERT INTO overlay (patient, since, before, evidence)
SELECT c.new, now(), '{}', '{"rule": "overlay"}'
FROM copy c
WHERE c.place <= 3;

-- What a source claimed to have written later than now: it kept every correction out, and a revoked consent in force.
UPDATE source_record SET event_time = now() WHERE event_time > now();
UPDATE resource SET event_time = least(event_time, updated) WHERE event_time > now();
UPDATE resource_history SET event_time = least(event_time, updated) WHERE event_time > now();
ALTER TABLE directive DISABLE TRIGGER outbox;  -- nothing about it changed that anybody would have to be told
UPDATE directive SET event_time = NULL WHERE event_time > now();
UPDATE directive SET body = body || '{"signed": null, "signed_until": null}'
WHERE (body ->> 'signed')::timestamptz > now();
ALTER TABLE directive ENABLE TRIGGER outbox;
UPDATE waiting_directive SET event_time = NULL WHERE event_time > now();
UPDATE waiting_directive SET body = body || '{"signed": null, "signed_until": null}'
WHERE (body ->> 'signed')::timestamptz > now();
UPDATE patient SET last_event = least(last_event, now()), last_encounter = least(last_encounter, now())
WHERE last_event > now() OR last_encounter > now();
UPDATE relationship SET until = now() + interval '1095 days'
WHERE basis IN ('contribution', 'encounter') AND until > now() + interval '1095 days';

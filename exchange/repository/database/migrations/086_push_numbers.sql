-- Each participant counts its own pushes: from a number of all of them it could tell how much the others send.

ALTER TABLE push ALTER push DROP IDENTITY, DROP CONSTRAINT push_pkey, ADD PRIMARY KEY (participant, push);

CREATE OR REPLACE FUNCTION keep_push(
    given_client text, given_key text, given_digest bytea, given_kind text, given_entries text[],
    given_payload bytea, most int
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    kept push;
BEGIN
    IF asking IS NULL OR current_emergency() THEN
        RAISE EXCEPTION 'this viewer may not push' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('push ' || asking, 0));
    SELECT * INTO kept FROM push p
    WHERE (p.participant, p.client, p.idempotency) = (asking, given_client, given_key);
    IF kept.push IS NOT NULL THEN
        RETURN CASE WHEN kept.digest = given_digest THEN kept.push ELSE -1 END;
    END IF;
    IF (SELECT count(*) FROM push p WHERE p.participant = asking AND p.payload IS NOT NULL) >= most THEN
        RETURN -2;
    END IF;
    -- Nothing is deleted from here, so that the number after the last was never given before.
    INSERT INTO push AS p (participant, push, client, idempotency, digest, kind, entries, payload, received)
    SELECT asking, coalesce(max(q.push), 0) + 1, given_client, given_key, given_digest, given_kind, given_entries,
        given_payload, current_instant()
    FROM push q WHERE q.participant = asking
    RETURNING p.push INTO kept.push;
    RETURN kept.push;
END $$;

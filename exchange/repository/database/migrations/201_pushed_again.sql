-- A Bundle without a key (given_key NULL) is the same push as the one before when that says the same. After another one it
-- is a push of its own: a source that sends a state, another, and the first one again means the first.
CREATE OR REPLACE FUNCTION keep_push(
    given_client text, given_key text, given_digest bytea, given_kind text, given_entries text[],
    given_payload bytea, most int
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    kept push;
    number bigint;
BEGIN
    IF asking IS NULL OR current_emergency() THEN
        RAISE EXCEPTION 'this viewer may not push' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('push ' || asking, 0));
    IF given_key IS NULL THEN
        SELECT * INTO kept FROM push p
        WHERE (p.participant, p.client) = (asking, given_client) ORDER BY p.push DESC LIMIT 1;
        IF kept.digest = given_digest THEN
            RETURN kept.push;
        END IF;
    ELSE
        SELECT * INTO kept FROM push p
        WHERE (p.participant, p.client, p.idempotency) = (asking, given_client, given_key);
        IF kept.push IS NOT NULL THEN
            RETURN CASE WHEN kept.digest = given_digest THEN kept.push ELSE -1 END;
        END IF;
    END IF;
    IF (SELECT count(*) FROM push p WHERE p.participant = asking AND p.payload IS NOT NULL) >= most THEN
        RETURN -2;
    END IF;
    -- Nothing is deleted from here, so that the number after the last was never given before.
    SELECT coalesce(max(q.push), 0) + 1 INTO number FROM push q WHERE q.participant = asking;
    INSERT INTO push AS p (participant, push, client, idempotency, digest, kind, entries, payload, received)
    VALUES (asking, number, given_client,
        coalesce(given_key, 'without a key: ' || number),  -- no key of a client has a blank
        given_digest, given_kind, given_entries, given_payload, current_instant());
    RETURN number;
END $$;

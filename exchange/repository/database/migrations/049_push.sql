-- Bundles that participants push, waiting for the next run of their pipeline; sealed, and emptied once landed.

CREATE TABLE push (
    push bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant text NOT NULL,
    client text NOT NULL,
    idempotency text NOT NULL,                 -- of the client: the same again is the same push
    digest bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('batch', 'transaction')),
    entries text[] NOT NULL,                   -- method of each
    payload bytea,                             -- sealed under the keyring; NULL: it is in the landing store
    received timestamptz NOT NULL,
    UNIQUE (participant, client, idempotency)
);

-- The push kept, or the one of the same key; -1: that one says something else, -2: too many wait. One at a time for
-- a participant, so that numbers become visible in their order and the pipeline passes over none.
CREATE FUNCTION keep_push(
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
    INSERT INTO push AS p (participant, client, idempotency, digest, kind, entries, payload, received)
    VALUES (asking, given_client, given_key, given_digest, given_kind, given_entries, given_payload, current_instant())
    RETURNING p.push INTO kept.push;
    RETURN kept.push;
END $$;

CREATE FUNCTION push_of(given_push bigint, given_client text) RETURNS TABLE (kind text, entries text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT p.kind, p.entries FROM push p
    WHERE p.push = given_push AND p.participant = current_participant() AND p.client = given_client;
END $$;

-- What became of the records of a push: by position, with the reasons of what was refused.
CREATE FUNCTION push_outcomes(given_push bigint, given_client text)
RETURNS TABLE ("position" text, outcome text, issues json)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (s.position) s.position, s.outcome, (
        SELECT json_agg(json_build_array(q.severity, q.code, q.expression, q.detail) ORDER BY q.ordinal)
        FROM quarantine q WHERE q.record = s.record)
    FROM push p JOIN source_record s ON s.partner = p.participant
        AND (s.position = 'push/' || p.push OR s.position LIKE 'push/' || p.push || ' %')
    WHERE p.push = given_push AND p.participant = current_participant() AND p.client = given_client
    ORDER BY s.position, s.record DESC;
END $$;
CREATE INDEX source_record_pushed ON source_record (partner, position text_pattern_ops)
WHERE position LIKE 'push/%';

REVOKE ALL ON FUNCTION keep_push, push_of, push_outcomes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_push, push_of, push_outcomes TO exchange_api;

-- Subscriptions that a participant's client makes by the FHIR API. They are decided as the role and purpose of the
-- token that made them, within the reach of its scopes, and end with their client.
ALTER TABLE subscription
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('requested', 'active', 'error', 'off')),
    ADD COLUMN problem text,                   -- why the handshake failed, in words of ours
    ADD COLUMN client text,                    -- NULL: it stands in partner.yaml
    ADD COLUMN scope text NOT NULL DEFAULT '', -- what the token reached, as exchange.scope takes it
    ADD COLUMN resource jsonb,                 -- the Subscription as it was accepted
    ADD CHECK ((declared = 'api') = (client IS NOT NULL AND resource IS NOT NULL));

-- True when it is kept; false: there are too many, or it is not this client's.
CREATE FUNCTION keep_subscription(
    given uuid, given_client text, given_facts jsonb, given_topics text[], given_scope text,
    given_resource jsonb, given_status text, most int
) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
BEGIN
    IF asking IS NULL OR current_emergency() OR given_status NOT IN ('requested', 'off')
        OR given_facts #>> '{channel,type}' <> 'rest_hook'
        OR NOT EXISTS (
            SELECT FROM viewer v WHERE v.viewer = current_viewer()
              AND (v.role, v.purpose) = (given_facts ->> 'role', given_facts ->> 'purpose'))
        OR NOT EXISTS (
            SELECT FROM client c WHERE c.client_id = given_client AND c.participant = asking AND c.disabled IS NULL)
    THEN
        RAISE EXCEPTION 'this viewer may not subscribe so' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('subscription ' || asking, 0));
    IF (SELECT count(*) FROM subscription s
        WHERE s.participant = asking AND s.declared = 'api' AND s.ended IS NULL AND s.name <> given::text) >= most
    THEN
        RETURN false;
    END IF;
    INSERT INTO subscription AS s
        (participant, name, declared, facts, topics, started, status, client, scope, resource)
    VALUES (asking, given::text, 'api', given_facts, given_topics, current_instant(), given_status,
        given_client, given_scope, given_resource)
    ON CONFLICT (participant, name) DO UPDATE SET
        facts = excluded.facts, topics = excluded.topics, status = excluded.status, scope = excluded.scope,
        resource = excluded.resource, problem = NULL, not_before = NULL
    WHERE s.declared = 'api' AND s.client = given_client AND s.ended IS NULL;
    RETURN FOUND;
END $$;

-- Those of a client that have not ended; `failing`: the last notification was not taken.
CREATE FUNCTION own_subscriptions(given_client text)
RETURNS TABLE (id text, resource jsonb, status text, problem text, notifications bigint, failing bool)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.name, s.resource, s.status, s.problem, s.notifications, EXISTS (
        SELECT FROM delivery d
        WHERE d.subscription = s.subscription AND d.state = 'open' AND d.attempts > 0)
    FROM subscription s
    WHERE s.declared = 'api' AND s.participant = current_participant() AND s.client = given_client
      AND s.ended IS NULL
    ORDER BY s.subscription;
END $$;

CREATE FUNCTION drop_subscription(given uuid, given_client text) RETURNS bool
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE subscription s SET ended = current_instant(), status = 'off'
    WHERE s.name = given::text AND s.declared = 'api' AND s.participant = current_participant()
      AND s.client = given_client AND s.ended IS NULL;
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION keep_subscription, own_subscriptions, drop_subscription FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_subscription, own_subscriptions, drop_subscription TO exchange_api;

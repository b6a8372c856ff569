-- The number under which a subscription's recipient was told of an event, given when it is first put together and never
-- again: a notification that is sent again is the same to the byte, and $events finds what was told.
ALTER TABLE delivery_event ADD COLUMN number bigint;
CREATE UNIQUE INDEX delivery_event_number ON delivery_event (subscription, number) WHERE number IS NOT NULL;

-- What a client's own subscription told it, by number; ids and kinds, no content.
CREATE FUNCTION own_events(given uuid, given_client text, first bigint, last bigint, most int)
RETURNS TABLE (number bigint, event bigint, topic text, at timestamptz, type text, fhir_id uuid, rendition smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT e.number, e.event, e.topic, e.at, e.type, e.fhir_id, e.rendition
    FROM subscription s JOIN delivery_event e USING (subscription)
    WHERE s.declared = 'api' AND s.participant = current_participant() AND s.client = given_client
      AND s.name = given::text AND s.ended IS NULL AND e.number BETWEEN first AND last
    ORDER BY e.number DESC LIMIT most;
END $$;

REVOKE ALL ON FUNCTION own_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own_events TO exchange_api;

-- As before, and off from the moment the client itself named as its end.
CREATE OR REPLACE FUNCTION own_subscriptions(given_client text)
RETURNS TABLE (id text, resource jsonb, status text, problem text, notifications bigint, failing bool)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.name, s.resource,
        CASE WHEN (s.resource ->> 'end')::timestamptz <= current_instant() THEN 'off' ELSE s.status END,
        s.problem, s.notifications, EXISTS (
        SELECT FROM delivery d
        WHERE d.subscription = s.subscription AND d.state = 'open' AND d.attempts > 0)
    FROM subscription s
    WHERE s.declared = 'api' AND s.participant = current_participant() AND s.client = given_client
      AND s.ended IS NULL
    ORDER BY s.subscription;
END $$;

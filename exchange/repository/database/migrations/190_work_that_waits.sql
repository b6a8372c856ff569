-- What waits is found without what is done with: pushes, nearly all of which are emptied, and what a recall told.
CREATE INDEX push_waiting ON push (participant, push) WHERE payload IS NOT NULL;
CREATE INDEX delivery_event_recall ON delivery_event (fhir_id) WHERE topic = 'recall';

-- What went out about nobody in particular: asked for when a record of nobody, an organization say, gets a label.
CREATE INDEX audit_event_about_nobody ON audit_event (kind, sequence) WHERE patient IS NULL;

-- As 049_push.sql; by a stretch of positions, which an index has: a pattern that is put together could be any.
CREATE OR REPLACE FUNCTION push_outcomes(given_push bigint, given_client text)
RETURNS TABLE ("position" text, outcome text, issues json)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (s.position) s.position, s.outcome, (
        SELECT json_agg(json_build_array(q.severity, q.code, q.expression, q.detail) ORDER BY q.ordinal)
        FROM quarantine q WHERE q.record = s.record)
    FROM push p JOIN source_record s ON s.partner = p.participant AND s.position LIKE 'push/%'
        AND s.position ~>=~ ('push/' || p.push) AND s.position ~<~ ('push/' || p.push || '!')
        AND (s.position = 'push/' || p.push OR s.position LIKE 'push/' || p.push || ' %')
    WHERE p.push = given_push AND p.participant = current_participant() AND p.client = given_client
    ORDER BY s.position, s.record DESC;
END $$;

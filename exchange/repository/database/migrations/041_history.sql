-- Who saw a record before it was deleted may see that it was, and what it said. Rows of a deleted record are
-- `gone`; `ending` is the tombstone that ended it, whose class says who may see any of them.
ALTER TABLE resource_history
    ADD late bool NOT NULL DEFAULT false,      -- came after something newer: kept, but never current
    ADD gone bool NOT NULL DEFAULT false,
    ADD ending bool NOT NULL DEFAULT false;
UPDATE resource_history h SET late = true FROM resource r
WHERE (r.type, r.fhir_id, r.rendition) = (h.type, h.fhir_id, h.rendition) AND h.version > r.version;
UPDATE resource_history h SET gone = true
WHERE NOT EXISTS (SELECT FROM resource r WHERE (r.type, r.fhir_id) = (h.type, h.fhir_id));
UPDATE resource_history h SET ending = true
WHERE gone AND deleted AND version = (
    SELECT max(l.version) FROM resource_history l
    WHERE (l.type, l.fhir_id, l.rendition) = (h.type, h.fhir_id, h.rendition)
);
CREATE INDEX resource_history_updated ON resource_history (type, updated, fhir_id);

CREATE FUNCTION whole_type_in_scope(given_type text) RETURNS bool LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    scope jsonb := nullif(current_setting('exchange.scope', true), '')::jsonb;  -- see 045_scopes.sql
BEGIN
    RETURN scope IS NULL OR coalesce(scope -> given_type, scope -> '*') = 'true'::jsonb;
END $$;

-- Of a deleted record nothing is left that a scope's constraint could be measured by: only a token that reaches
-- the whole type sees it.
DROP POLICY current ON resource_history;
CREATE POLICY current ON resource_history AS RESTRICTIVE FOR SELECT TO exchange_api USING (
    CASE WHEN gone THEN whole_type_in_scope(type)
    ELSE EXISTS (
        SELECT FROM resource r
        WHERE (r.type, r.fhir_id, r.rendition)
            = (resource_history.type, resource_history.fhir_id, resource_history.rendition)
    ) END
);

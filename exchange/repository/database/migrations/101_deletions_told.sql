-- Which of these deletions may (still) be told to this viewer: as deleted_since(), for ids that lie in a file already.
CREATE FUNCTION deletions_told(types text[], ids uuid[]) RETURNS TABLE (type text, fhir_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT h.type, h.fhir_id
    FROM unnest(types, ids) AS n (type, fhir_id)
    JOIN resource_history h ON (h.type, h.fhir_id) = (n.type, n.fhir_id)
    WHERE h.ending AND discloses(h.class, h.patient)
      AND NOT EXISTS (SELECT FROM resource r WHERE (r.type, r.fhir_id) = (h.type, h.fhir_id));
END $$;

REVOKE ALL ON FUNCTION deletions_told FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deletions_told TO exchange_api;

-- Who sees that a record is gone is said by the tombstone that ended it alone (041_history.sql), not by an earlier one.
CREATE OR REPLACE FUNCTION deleted_since(
    since timestamptz, types text[], after_type text, after_id uuid, most int
) RETURNS TABLE (type text, fhir_id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT h.type, h.fhir_id
    FROM resource_history h
    WHERE h.ending AND h.updated >= since AND h.type = ANY(types) AND (h.type, h.fhir_id) > (after_type, after_id)
      AND NOT EXISTS (SELECT FROM resource r WHERE (r.type, r.fhir_id) = (h.type, h.fhir_id))
      AND discloses(h.class, h.patient)
    ORDER BY 1, 2 LIMIT most;
END $$;

-- As in 143_unbroken_history.sql, with one look at the record of today and one at what came after the version: what
-- has the class of today is not decided again.
CREATE OR REPLACE FUNCTION unbroken(given_type text, given_id uuid, given_rendition smallint, given_version int)
RETURNS bool LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 SET search_path = public, pg_temp AS $$
DECLARE
    today int;
    about int;
    there bool;
    shown bool;
BEGIN
    SELECT r.class, r.patient INTO today, about FROM resource r
    WHERE r.type = given_type AND r.fhir_id = given_id AND r.rendition = given_rendition;
    there := FOUND;
    IF there AND NOT discloses(today, about) THEN
        RETURN false;
    END IF;
    SELECT min(h.version) = given_version AND bool_and(
        (there OR h.gone)
        AND ((h.class = today AND h.patient IS NOT DISTINCT FROM about) IS TRUE OR discloses(h.class, h.patient))
    ) INTO shown FROM resource_history h
    WHERE h.type = given_type AND h.fhir_id = given_id AND h.rendition = given_rendition
      AND h.version >= given_version AND NOT h.late;
    RETURN coalesce(shown, false);
END $$;

-- One policy, in which the dearer question is the last: policies are asked one after the other, and a version that is
-- hidden by itself is not to take longer than one that is not there.
DROP POLICY unbroken ON resource_history;
DO $$
BEGIN
    EXECUTE format(
        'ALTER POLICY disclosed ON resource_history USING ((%s) AND unbroken(type, fhir_id, rendition, version))',
        (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy
         WHERE polname = 'disclosed' AND polrelid = 'resource_history'::regclass)
    );
END $$;

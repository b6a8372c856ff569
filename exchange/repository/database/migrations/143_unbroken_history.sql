-- An old version is shown to those who may see it and all that came after it. With one left out between them, two
-- that say the same would tell that there was another, however versions are named (decision 0138). The repository
-- itself has always kept it so: what it may not hold takes its past with it.

-- Whether this viewer sees this very version: asked by hand it tells no more than the table does. Of the many
-- versions with one class only the first is decided.
CREATE FUNCTION unbroken(given_type text, given_id uuid, given_rendition smallint, given_version int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    own record;
BEGIN
    SELECT h.class, h.patient, h.gone INTO own FROM resource_history h
    WHERE (h.type, h.fhir_id, h.rendition, h.version) = (given_type, given_id, given_rendition, given_version)
      AND NOT h.late AND discloses(h.class, h.patient);
    RETURN FOUND AND NOT EXISTS (
        SELECT FROM resource_history l
        WHERE (l.type, l.fhir_id, l.rendition) = (given_type, given_id, given_rendition)
          AND l.version > given_version AND NOT l.late
          AND (l.class, l.patient) IS DISTINCT FROM (own.class, own.patient) AND NOT discloses(l.class, l.patient)
    ) AND (own.gone OR EXISTS (
        SELECT FROM resource r
        WHERE (r.type, r.fhir_id, r.rendition) = (given_type, given_id, given_rendition)
          AND discloses(r.class, r.patient)
    ));
END $$;
REVOKE ALL ON FUNCTION unbroken FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unbroken TO exchange_api;

CREATE POLICY unbroken ON resource_history AS RESTRICTIVE FOR SELECT TO exchange_api
    USING (unbroken(type, fhir_id, rendition, version));

-- Forms that their record has no more, of before (history.vanish()).
UPDATE resource_history h SET late = true
WHERE h.rendition > 0 AND NOT h.gone AND NOT h.late AND NOT EXISTS (
    SELECT FROM resource r WHERE (r.type, r.fhir_id, r.rendition) = (h.type, h.fhir_id, h.rendition)
);

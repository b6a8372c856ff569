-- Patients of whom a link with another came, went or was refused since, where the viewer sees both: what is told of the
-- person is another then, though no source said anything new. `among`: of these alone.
CREATE FUNCTION links_changed(since timestamptz, among int[]) RETURNS SETOF int
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT one.patient
    FROM link_event e CROSS JOIN LATERAL (VALUES (e.a), (e.b)) AS one (patient)
    WHERE e.at >= since AND e.kind IN ('linked', 'unlinked', 'kept-apart')
      AND (among IS NULL OR e.a = ANY(among) OR e.b = ANY(among))
      AND sees_patient(e.a) AND sees_patient(e.b);
END $$;
REVOKE ALL ON FUNCTION links_changed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION links_changed TO exchange_api;
CREATE INDEX link_event_at ON link_event (at) WHERE kind IN ('linked', 'unlinked', 'kept-apart');

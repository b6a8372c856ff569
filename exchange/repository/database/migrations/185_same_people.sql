-- Those who are certainly one person with a Patient as far as the viewer sees, himself among them; of nobody none. Found
-- from his own links: of what many people have in common, as a vaccination on the same day, each was asked before.
CREATE FUNCTION same_people(given int) RETURNS int[]
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 500 SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM patient_edge e WHERE e.a = given) THEN
        RETURN ARRAY[given];  -- as it is of nearly everybody
    END IF;
    RETURN given || ARRAY(
        SELECT e.b FROM patient_edge e WHERE e.a = given AND e.grade = 'certain' AND certainly_one(given, e.b));
END $$;
REVOKE ALL ON FUNCTION same_people FROM PUBLIC;
GRANT EXECUTE ON FUNCTION same_people TO exchange_api;

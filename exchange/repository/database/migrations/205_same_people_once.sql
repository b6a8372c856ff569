-- As before, remembered within one statement for the Patient asked about last: mostly all records of one person are gone
-- through one after the other, and who is certainly the same took 40 us for each of them. What is remembered is of
-- nobody's rights: whoever writes SQL and sets it himself chooses among the duplicates that he sees anyway.
CREATE OR REPLACE FUNCTION same_people(given int) RETURNS int[]
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 500 SET search_path = public, pg_temp AS $$
DECLARE
    asked text;
    remembered text;
    found int[];
BEGIN
    IF NOT EXISTS (SELECT FROM patient_edge e WHERE e.a = given) THEN
        RETURN ARRAY[given];  -- as it is of nearly everybody
    END IF;
    asked := given || ' ' || extract(epoch FROM statement_timestamp()) || '=';
    remembered := current_setting('exchange.same_people', true);
    IF starts_with(remembered, asked) THEN
        RETURN substr(remembered, length(asked) + 1)::int[];
    END IF;
    found := given || ARRAY(
        SELECT e.b FROM patient_edge e WHERE e.a = given AND e.grade = 'certain' AND certainly_one(given, e.b));
    PERFORM set_config('exchange.same_people', asked || found::text, true);
    RETURN found;
END $$;

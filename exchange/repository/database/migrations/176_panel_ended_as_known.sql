-- DELETE of a panel hears If-Match: whoever ends what he read does not end what somebody made of it meanwhile.
DROP FUNCTION drop_panel(uuid);
CREATE FUNCTION drop_panel(given_panel uuid, expected int) RETURNS bool
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    kept int;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('panel ' || asking, 0));
    SELECT p.version INTO kept FROM panel p WHERE (p.participant, p.panel) = (asking, given_panel);
    IF expected <> coalesce(kept, 0) THEN
        RETURN false;
    END IF;
    IF kept IS NOT NULL THEN
        DELETE FROM panel p WHERE (p.participant, p.panel) = (asking, given_panel);
        PERFORM state_care('panel', 'Group/' || given_panel, '{}', current_instant());
    END IF;
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION drop_panel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_panel TO exchange_api;

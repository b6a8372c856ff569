-- The latest instant anything was decided at. A clock behind it runs backwards, and what had ended by its own
-- time would begin again: nothing is shown or stored then. A sequence (milliseconds since 1970), because its
-- value outlives a rollback and no reader waits for another.
CREATE SEQUENCE latest_instant AS bigint MINVALUE 0 START 0;

-- The instant that counts for `at`: never before one that counted already. Clocks of several machines may
-- differ by five seconds.
CREATE FUNCTION advance_clock(at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    latest timestamptz := (SELECT to_timestamp(last_value / 1000.0) FROM latest_instant);
BEGIN
    IF at < latest - interval '5 seconds' THEN
        RAISE EXCEPTION 'the clock runs backwards: % is before %', at, latest USING ERRCODE = 'MX001';
    END IF;
    IF at >= latest + interval '1 second' THEN  -- not for every request
        PERFORM setval('latest_instant', floor(extract(epoch FROM at) * 1000)::bigint);
    END IF;
    RETURN greatest(at, latest);
END $$;
REVOKE ALL ON FUNCTION advance_clock FROM PUBLIC;

CREATE OR REPLACE FUNCTION enter_view(
    given_participant text, given_role text, given_purpose text, at timestamptz
) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found_viewer int;
    found_emergency bool;
    instant timestamptz := advance_clock(coalesce(at, clock_timestamp()));
BEGIN
    SELECT v.viewer, v.emergency INTO found_viewer, found_emergency FROM viewer v
    WHERE (v.participant, v.role, v.purpose) = (given_participant, given_role, given_purpose);
    PERFORM set_config('exchange.viewer', coalesce(found_viewer::text, ''), true);
    PERFORM set_config('exchange.emergency', coalesce(found_emergency, false)::text, true);
    PERFORM set_config('exchange.participant', given_participant, true);
    PERFORM set_config('exchange.at', instant::text, true);
    RETURN instant;
END $$;

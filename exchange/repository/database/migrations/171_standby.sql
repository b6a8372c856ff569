-- A hot standby reads for the API once it has replayed what was committed when the request came. It can write nothing,
-- so the clock advances at the primary alone; a standby is asked with the instant that counted there.
CREATE OR REPLACE FUNCTION advance_clock(at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    latest timestamptz := (SELECT to_timestamp(last_value / 1000.0) FROM latest_instant);
BEGIN
    IF at < latest - interval '5 seconds' THEN
        RAISE EXCEPTION 'the clock runs backwards: % is before %', at, latest USING ERRCODE = 'MX001';
    END IF;
    IF at > greatest(within_clock(at), latest) THEN
        RAISE EXCEPTION 'the clock runs ahead: % is after %', at, now() USING ERRCODE = 'MX001';
    END IF;
    IF pg_is_in_recovery() THEN
        RETURN greatest(at, latest);
    END IF;
    at := not_ahead(at);  -- a clock that is minutes ahead must not lock the others out
    IF at >= latest + interval '1 second' THEN  -- not for every request
        PERFORM setval('latest_instant', floor(extract(epoch FROM at) * 1000)::bigint);
    END IF;
    RETURN greatest(at, latest);
END $$;

-- Where the log of this primary ends: whatever is visible here was written before it. What waits in memory is
-- flushed first, because a standby is sent nothing else; before PostgreSQL 17 others do that, in a fifth of a second.
CREATE FUNCTION log_end(OUT system bigint, OUT timeline int, OUT lsn pg_lsn)
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
BEGIN
    lsn := pg_current_wal_insert_lsn();
    IF pg_current_wal_flush_lsn() < lsn AND current_setting('server_version_num')::int >= 170000 THEN
        lsn := pg_logical_emit_message(false, 'exchange', '', true);
    END IF;
    timeline := ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int;
    system := (SELECT system_identifier FROM pg_control_system());
END $$;

-- Whether this standby has replayed the log up to an end, waiting for it no longer than that. Null: it follows no
-- such log, or is no standby (any more), and the positions of two logs say nothing about each other.
CREATE FUNCTION has_replayed(given_system bigint, given_timeline int, given_lsn pg_lsn, most interval) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
    until timestamptz := clock_timestamp() + most;
BEGIN
    IF NOT pg_is_in_recovery() OR given_system <> (SELECT system_identifier FROM pg_control_system())
        OR given_timeline <> (SELECT min_recovery_end_timeline FROM pg_control_recovery()) THEN
        RETURN NULL;
    END IF;
    WHILE pg_last_wal_replay_lsn() < given_lsn LOOP
        IF clock_timestamp() >= until THEN
            RETURN false;
        END IF;
        PERFORM pg_sleep(0.0005);
    END LOOP;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION log_end, has_replayed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_end, has_replayed TO exchange_api;

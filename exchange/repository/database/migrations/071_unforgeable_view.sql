-- What the API's role can set or call by itself widens nothing: a viewer number stands for its own participant
-- and purpose only, an instant is that of the clock, and no function tells of rows the viewer may not see.

-- Only the owner's own processes may look from another instant. Whoever else logs in is held to this server's
-- clock: permits that ended do not begin again, and those to come are not yet.
DO $$
BEGIN
    EXECUTE format($function$
        CREATE FUNCTION within_clock(given timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        RETURN CASE WHEN session_user = %L THEN given
            ELSE least(greatest(given, now() - interval '5 seconds'), now() + interval '10 minutes') END
        $function$, current_user);
END $$;

-- The same for what is to be forgotten or kept in mind from then on: no minutes of grace.
CREATE FUNCTION not_ahead(given timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN within_clock('infinity') = 'infinity' THEN given ELSE least(given, clock_timestamp()) END;

CREATE OR REPLACE FUNCTION current_instant() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN within_clock(nullif(current_setting('exchange.at', true), '')::timestamptz);

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
    at := not_ahead(at);  -- a clock that is minutes ahead must not lock the others out
    IF at >= latest + interval '1 second' THEN  -- not for every request
        PERFORM setval('latest_instant', floor(extract(epoch FROM at) * 1000)::bigint);
    END IF;
    RETURN greatest(at, latest);
END $$;

-- The participant the viewer number stands for; NULL, and so no relationship, where the settings do not agree.
CREATE OR REPLACE FUNCTION current_participant() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT participant FROM viewer v
        WHERE v.viewer = current_viewer() AND v.emergency = current_emergency()
    );
END $$;

-- One decision for functions that read as the owner; the policy of `resource` in other words, a test compares.
CREATE FUNCTION discloses(given_class int, given_patient int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM disclosure d
        WHERE d.viewer = current_viewer() AND d.class = given_class
          AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
          AND (NOT d.needs_relationship OR EXISTS (
              SELECT FROM relationship s
              WHERE s.participant = current_participant() AND s.patient = given_patient
                AND s.until > current_instant() AND (s.basis = 'break-glass') = current_emergency()
          ))
    );
END $$;
REVOKE ALL ON FUNCTION discloses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION discloses TO exchange_api;

CREATE OR REPLACE FUNCTION sees_patient(given int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM patient p
        JOIN resource r ON r.type = 'Patient' AND r.fhir_id = p.fhir_id
        JOIN disclosure d ON d.viewer = current_viewer() AND d.class = r.class
        WHERE p.patient = given AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
          AND (NOT d.needs_relationship OR EXISTS (
              SELECT FROM relationship s
              WHERE s.participant = current_participant() AND s.patient = given
                AND s.until > current_instant() AND (s.basis = 'break-glass') = current_emergency()
          ))
    );
END $$;

-- A scope asks which codes a record has; of a record the viewer may not see it learns nothing.
CREATE OR REPLACE FUNCTION in_scope(given_type text, given_rid bigint) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope jsonb := current_scope()::jsonb;
    reached jsonb := coalesce(scope -> given_type, scope -> '*');
BEGIN
    IF scope IS NULL OR reached = 'true'::jsonb THEN
        RETURN true;
    END IF;
    RETURN reached IS NOT NULL
        AND coalesce((SELECT discloses(r.class, r.patient) FROM resource r WHERE r.rid = given_rid), false)
        AND EXISTS (
            SELECT FROM jsonb_array_elements(reached) AS one (criteria)
            WHERE NOT EXISTS (
                SELECT FROM jsonb_array_elements(one.criteria) AS each (tokens)
                WHERE NOT EXISTS (
                    SELECT FROM jsonb_array_elements(each.tokens) AS token (pair)
                    JOIN index_token x ON x.rid = given_rid AND x.key = (token.pair ->> 0)::bigint
                        AND (token.pair ->> 1 IS NULL OR x.system = (token.pair ->> 1)::int)
                )
            )
        );
END $$;

CREATE OR REPLACE FUNCTION row_in_scope(given_rid bigint) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT discloses(r.class, r.patient) AND in_scope(r.type, r.rid) FROM resource r WHERE r.rid = given_rid
    ), false);
END $$;

-- What is old by the caller's word alone is kept: a token taken back stays taken back.
CREATE OR REPLACE FUNCTION use_client_assertion(client_id text, jti text, expires timestamptz, at timestamptz)
RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM client_assertion AS old WHERE old.expires < not_ahead(at);
    INSERT INTO client_assertion VALUES (client_id, jti, expires) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION revoke_token(jti text, expires timestamptz, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM revoked_token AS old WHERE old.expires < not_ahead(at);
    INSERT INTO revoked_token VALUES (jti, expires) ON CONFLICT DO NOTHING;
END $$;

-- Nobody but the owner makes anything, large objects and temporary tables included. Where the owner may not say
-- so (large objects belong to the server's superuser), they stay what they are: no way to read anything.
DO $$
DECLARE
    name text;
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY, CREATE ON DATABASE %I TO CURRENT_USER', current_database());
    FOR name IN
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname LIKE 'lo\_%'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
    EXECUTE 'REVOKE CREATE ON SCHEMA public FROM PUBLIC';
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$;

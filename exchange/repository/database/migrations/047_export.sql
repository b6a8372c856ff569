-- Bulk exports: jobs that any process may go on with, and their sealed files.

CREATE TABLE export_job (
    job uuid PRIMARY KEY,
    participant text NOT NULL,
    role text NOT NULL,
    purpose text NOT NULL,
    client text NOT NULL,
    scopes text NOT NULL,
    asked jsonb NOT NULL,                      -- exchange.api.export.asked.Asked.to_json()
    at timestamptz NOT NULL,                   -- transactionTime
    key bytea NOT NULL,                        -- data key of the files, sealed under the keyring
    state text NOT NULL DEFAULT 'accepted' CHECK (state IN ('accepted', 'running', 'done', 'failed', 'gone')),
    position jsonb NOT NULL DEFAULT '{}',      -- up to where files are written
    lines bigint NOT NULL DEFAULT 0,
    files int NOT NULL DEFAULT 0,
    attempts int NOT NULL DEFAULT 0,
    lease timestamptz NOT NULL,                -- until then one process works on it
    expires timestamptz NOT NULL
);
CREATE INDEX export_job_waiting ON export_job (lease) WHERE state IN ('accepted', 'running');
CREATE INDEX export_job_participant ON export_job (participant);

CREATE TABLE export_file (
    job uuid NOT NULL REFERENCES export_job ON DELETE CASCADE,
    ordinal int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('output', 'deleted')),
    type text NOT NULL,
    lines int NOT NULL,
    PRIMARY KEY (job, ordinal)
);

GRANT SELECT ON export_job, export_file TO exchange_api;
ALTER TABLE export_job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON export_job FOR SELECT TO exchange_api USING (participant = (SELECT current_participant()));
ALTER TABLE export_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON export_file FOR SELECT TO exchange_api
    USING (EXISTS (SELECT FROM export_job j WHERE j.job = export_file.job));

-- An instant before which everything that was written can be seen: writers note their time first and commit later.
CREATE FUNCTION settled_instant(at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
RETURN least(at, (
    SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
)) - interval '5 seconds';

-- False: the participant has as many unfinished, or as many altogether, as it may have.
CREATE FUNCTION ask_export(
    given_job uuid, given_role text, given_purpose text, given_client text, given_scopes text, given_asked jsonb,
    given_at timestamptz, given_key bytea, given_expires timestamptz, most_running int, most_kept int
) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('export ' || asking, 0));
    IF (SELECT count(*) FILTER (WHERE state IN ('accepted', 'running')) >= most_running OR count(*) >= most_kept
        FROM export_job WHERE participant = asking) THEN
        RETURN false;
    END IF;
    INSERT INTO export_job (job, participant, role, purpose, client, scopes, asked, at, key, lease, expires)
    VALUES (given_job, asking, given_role, given_purpose, given_client, given_scopes, given_asked, given_at,
        given_key, current_instant(), given_expires);
    RETURN true;
END $$;

-- The job that waits longest, for this process until the lease ends; one that failed five times is given up.
CREATE FUNCTION claim_export(given_at timestamptz, until timestamptz) RETURNS SETOF export_job
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE export_job SET state = 'failed' WHERE state IN ('accepted', 'running') AND lease <= given_at AND attempts >= 5;
    RETURN QUERY UPDATE export_job j SET state = 'running', lease = until, attempts = j.attempts + 1
    WHERE j.job = (
        SELECT c.job FROM export_job c
        WHERE c.state IN ('accepted', 'running') AND c.lease <= given_at AND c.expires > given_at
        ORDER BY c.lease LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING j.*;
END $$;

-- Notes how far a job has come, keeps the lease and enters a file (given_kind not NULL). False: it is somebody
-- else's by now, or was cancelled; what was written for it counts for nothing.
CREATE FUNCTION note_export(
    given_job uuid, old_lease timestamptz, new_lease timestamptz, new_state text, new_position jsonb,
    given_ordinal int, given_kind text, given_type text, given_lines int
) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE export_job SET
        lease = new_lease, state = new_state, position = coalesce(new_position, position),
        lines = lines + coalesce(given_lines, 0), files = coalesce(given_ordinal + 1, files),
        attempts = CASE WHEN given_kind IS NULL THEN attempts ELSE 1 END
    WHERE job = given_job AND state = 'running' AND lease = old_lease;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF given_kind IS NOT NULL THEN
        INSERT INTO export_file VALUES (given_job, given_ordinal, given_kind, given_type, given_lines);
    END IF;
    RETURN true;
END $$;

-- The participant's own job is to be forgotten; its files follow.
CREATE FUNCTION drop_export(given_job uuid) RETURNS bool
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE export_job SET state = 'gone' WHERE job = given_job AND participant = current_participant();
    RETURN FOUND;
END $$;

-- Jobs whose files are to be deleted now; forget_export() takes the key away. Nobody's clock makes it early.
CREATE FUNCTION ended_exports(given_at timestamptz) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT j.job FROM export_job j
    WHERE (j.expires <= not_ahead(given_at) OR j.state = 'gone')
      AND (j.state <> 'running' OR j.lease <= not_ahead(given_at));
END $$;

CREATE FUNCTION forget_export(given_job uuid, given_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM export_job WHERE job = given_job AND (expires <= not_ahead(given_at) OR state = 'gone');
END $$;

-- What was deleted since, of what this viewer could see: ids only. Rows are shown by the class they had at the end.
CREATE FUNCTION deleted_since(since timestamptz, types text[], after_type text, after_id uuid, most int)
RETURNS TABLE (type text, fhir_id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT h.type, h.fhir_id
    FROM resource_history h
    WHERE h.deleted AND h.updated >= since AND h.type = ANY(types) AND (h.type, h.fhir_id) > (after_type, after_id)
      AND NOT EXISTS (SELECT FROM resource r WHERE (r.type, r.fhir_id) = (h.type, h.fhir_id))
      AND discloses(h.class, h.patient)
    ORDER BY 1, 2 LIMIT most;
END $$;

REVOKE ALL ON FUNCTION settled_instant, ask_export, claim_export, note_export, drop_export, ended_exports,
    forget_export, deleted_since FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settled_instant, ask_export, claim_export, note_export, drop_export, ended_exports,
    forget_export, deleted_since TO exchange_api;

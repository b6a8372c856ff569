-- Care relationships that are stated: panels, referrals, attestations, and broken glasses. `relationship` is
-- derived from them as it is from what participants send, over direct certain links only, so that a link taken
-- back takes its relationships along. Each has its end from the start.

CREATE TABLE care_statement (
    participant text NOT NULL,
    patient int NOT NULL REFERENCES patient,
    basis text NOT NULL CHECK (basis IN ('panel', 'referral', 'attestation', 'break-glass')),
    source text NOT NULL,                      -- what says so: Group/<id>, ServiceRequest/<id>, a request id
    until timestamptz NOT NULL,
    PRIMARY KEY (participant, patient, basis, source)
);
CREATE INDEX care_statement_patient ON care_statement (patient);
CREATE INDEX care_statement_source ON care_statement (source);

-- Emergency access: what 42 CFR 2.51(c) wants written down before, and what the privacy officer found after.
CREATE TABLE emergency_access (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    participant text NOT NULL,
    client text NOT NULL,
    patient uuid NOT NULL,                     -- as it was asked for; there may be no such Patient
    statement jsonb NOT NULL,                  -- the fields of consent/vocabulary.yaml, break_glass_fields
    decision text CHECK (decision IN ('justified', 'not-justified')),
    reason text,
    decided_by text,
    decided timestamptz,
    CHECK ((decision IS NULL) = (decided IS NULL) AND (decision IS NULL) = (decided_by IS NULL)),
    CHECK (decision IS NULL OR reason <> '')
);
CREATE INDEX emergency_access_open ON emergency_access (entry) WHERE decision IS NULL;
CREATE INDEX emergency_access_until ON emergency_access (participant, until);

CREATE FUNCTION emergencies_are_reviewed_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.decision IS NULL AND (OLD.entry, OLD.at, OLD.until, OLD.participant, OLD.client,
        OLD.patient, OLD.statement) = (NEW.entry, NEW.at, NEW.until, NEW.participant, NEW.client, NEW.patient,
        NEW.statement) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: what was written down stands', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER reviewed_once BEFORE UPDATE OR DELETE ON emergency_access
    FOR EACH ROW EXECUTE FUNCTION emergencies_are_reviewed_once();

-- Panels as participants uploaded them. Members are kept as they were named, known here or not.
CREATE TABLE panel (
    participant text NOT NULL,
    panel uuid NOT NULL,                       -- each has ids of its own: another's shows nowhere
    version int NOT NULL,
    updated timestamptz NOT NULL,
    body jsonb NOT NULL,                       -- the Group
    PRIMARY KEY (participant, panel)
);
GRANT SELECT ON panel TO exchange_api;
ALTER TABLE panel ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON panel FOR SELECT TO exchange_api USING (participant = (SELECT current_participant()));

-- Brings `relationship` up to what is stated about these Patients and those directly and certainly linked to them.
-- A referral counts while the one it was sent to may see it itself, or what is hidden would open what is not.
CREATE FUNCTION derive_stated_care(patients int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := (SELECT to_timestamp(last_value / 1000.0) FROM latest_instant);
    reached int[] := ARRAY(
        SELECT unnest(patients) UNION SELECT b FROM patient_edge WHERE a = ANY(patients) AND grade = 'certain');
BEGIN
    DELETE FROM relationship
    WHERE patient = ANY(reached) AND basis IN ('panel', 'referral', 'attestation', 'break-glass');
    INSERT INTO relationship (participant, patient, basis, until)
    SELECT s.participant, near.patient, s.basis, max(least(s.until, seen.until))
    FROM (
        SELECT n AS patient, n AS source FROM unnest(reached) AS n
        UNION
        SELECT a, b FROM patient_edge WHERE a = ANY(reached) AND grade = 'certain'
    ) AS near
    JOIN care_statement s ON s.patient = near.source
    CROSS JOIN LATERAL (
        SELECT 'infinity'::timestamptz AS until WHERE s.basis <> 'referral'
        UNION ALL
        SELECT d.valid_until FROM resource r
        JOIN disclosure d ON d.class = r.class AND d.valid_from <= moment + interval '1 second'
            AND d.valid_until > moment
        JOIN viewer v ON v.viewer = d.viewer AND v.participant = s.participant AND NOT v.emergency
        WHERE s.basis = 'referral' AND r.type = split_part(s.source, '/', 1)
            AND r.fhir_id = split_part(s.source, '/', 2)::uuid
    ) AS seen
    GROUP BY 1, 2, 3;
END $$;

-- Says that these Patients (by any id) are in the care of the participant who asks, until then; what the same
-- source said before is replaced. Whether an id is known shows nowhere.
CREATE FUNCTION state_care(given_basis text, given_source text, ids uuid[], given_until timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    touched int[];
BEGIN
    IF asking IS NULL OR current_viewer() IS NULL OR given_basis NOT IN ('panel', 'attestation', 'break-glass')
        OR (given_basis = 'break-glass') <> current_emergency()
        OR given_until > current_instant()
            + (CASE given_basis WHEN 'break-glass' THEN interval '1 hour' ELSE interval '1 year' END)
    THEN
        RAISE EXCEPTION 'this viewer may not state that' USING ERRCODE = 'insufficient_privilege';
    END IF;
    touched := ARRAY(
        SELECT p.patient FROM patient p WHERE p.fhir_id = ANY(ids) OR p.golden_id = ANY(ids)
        UNION SELECT s.patient FROM care_statement s
        WHERE (s.participant, s.basis, s.source) = (asking, given_basis, given_source));
    -- As every writer does who follows links: nobody joins or parts these persons meanwhile.
    PERFORM FROM patient WHERE person IN (SELECT person FROM patient WHERE patient = ANY(touched))
    ORDER BY patient FOR NO KEY UPDATE;
    DELETE FROM care_statement WHERE (participant, basis, source) = (asking, given_basis, given_source);
    INSERT INTO care_statement (participant, patient, basis, source, until)
    SELECT asking, p.patient, given_basis, given_source, given_until
    FROM patient p WHERE p.fhir_id = ANY(ids) OR p.golden_id = ANY(ids);
    PERFORM derive_stated_care(touched);
END $$;

-- Writes down an emergency and opens the glass for one Patient. False: too many of this participant are open.
CREATE FUNCTION break_glass(
    given_client text, given_patient uuid, given_statement jsonb, given_until timestamptz, most int
) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('break_glass ' || current_participant(), 0));
    IF (SELECT count(*) FROM emergency_access e
        WHERE e.participant = current_participant() AND e.until > current_instant()) >= most THEN
        RETURN false;
    END IF;
    INSERT INTO emergency_access (at, until, participant, client, patient, statement)
    VALUES (current_instant(), given_until, current_participant(), given_client, given_patient, given_statement)
    RETURNING entry INTO number;
    PERFORM state_care('break-glass', 'emergency/' || number, ARRAY[given_patient], given_until);
    RETURN true;
END $$;

-- Keeps a panel: a new one (expected 0), or the next version of one (expected: the one it knows, NULL: any).
-- Returns the version kept; NULL: there is another version, or there would be one panel too many.
CREATE FUNCTION keep_panel(
    given_panel uuid, given_body jsonb, members uuid[], given_until timestamptz, expected int, most int
) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    kept int;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('panel ' || asking, 0));
    SELECT p.version INTO kept FROM panel p WHERE (p.participant, p.panel) = (asking, given_panel);
    IF coalesce(kept, 0) <> coalesce(expected, kept, 0)
        OR kept IS NULL AND (SELECT count(*) FROM panel p WHERE p.participant = asking) >= most
    THEN
        RETURN NULL;
    END IF;
    PERFORM state_care('panel', 'Group/' || given_panel, members, given_until);
    INSERT INTO panel AS p (participant, panel, version, updated, body)
    VALUES (asking, given_panel, 1, current_instant(), given_body)
    ON CONFLICT (participant, panel)
    DO UPDATE SET version = p.version + 1, updated = excluded.updated, body = excluded.body;
    RETURN coalesce(kept, 0) + 1;
END $$;

CREATE FUNCTION drop_panel(given_panel uuid) RETURNS bool
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM panel WHERE panel = given_panel AND participant = current_participant();
    IF FOUND THEN
        PERFORM state_care('panel', 'Group/' || given_panel, '{}', current_instant());
    END IF;
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION derive_stated_care, state_care, break_glass, keep_panel, drop_panel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION state_care, break_glass, keep_panel, drop_panel TO exchange_api;

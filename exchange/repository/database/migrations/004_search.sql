-- Index tables for search, and row-level security over everything a reader can reach.
--
-- Index rows carry the class and patient of their resource, so that the policy needs no join, and come from
-- the rendition they point to, so that search cannot find what cannot be seen.

CREATE TABLE index_token (
    rid bigint NOT NULL,
    key bigint NOT NULL,                       -- hash of parameter and code
    system int NOT NULL,                       -- hash of the system; 0: none
    param int NOT NULL,                        -- hash of Type.parameter
    patient int,
    class int NOT NULL
);
CREATE INDEX index_token_rid ON index_token (rid);
CREATE INDEX index_token_key ON index_token (key, patient);

CREATE TABLE index_reference (
    rid bigint NOT NULL,
    target uuid NOT NULL,
    param int NOT NULL,
    patient int,
    class int NOT NULL
);
CREATE INDEX index_reference_rid ON index_reference (rid);
CREATE INDEX index_reference_target ON index_reference (target, param);

CREATE TABLE index_date (
    rid bigint NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,                 -- exclusive
    param int NOT NULL,
    patient int,
    class int NOT NULL
);
CREATE INDEX index_date_rid ON index_date (rid);
CREATE INDEX index_date_low ON index_date (param, low);

CREATE TABLE index_string (
    rid bigint NOT NULL,
    param int NOT NULL,
    patient int,
    class int NOT NULL,
    value text COLLATE "C" NOT NULL,           -- folded: case and diacritics
    original text COLLATE "C" NOT NULL
);
CREATE INDEX index_string_rid ON index_string (rid);
CREATE INDEX index_string_value ON index_string (param, value);

CREATE TABLE index_quantity (
    rid bigint NOT NULL,
    value float8 NOT NULL,
    system int NOT NULL,
    unit int NOT NULL,                         -- hash of the unit's code; 0: none
    param int NOT NULL,
    patient int,
    class int NOT NULL
);
CREATE INDEX index_quantity_rid ON index_quantity (rid);
CREATE INDEX index_quantity_value ON index_quantity (param, value);

-- Who asks, as set by enter_view() for one transaction. Unset: nobody, who sees nothing.
CREATE FUNCTION current_viewer() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('exchange.viewer', true), '')::int;

CREATE FUNCTION current_emergency() RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('exchange.emergency', true), '') = 'true';
CREATE FUNCTION current_participant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('exchange.participant', true), '');

CREATE FUNCTION current_instant() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('exchange.at', true), '')::timestamptz;

-- The instant that counts for this transaction. A viewer whom the exchange does not know sees nothing.
CREATE FUNCTION enter_view(given_participant text, given_role text, given_purpose text, at timestamptz)
RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found_viewer int;
    found_emergency bool;
    instant timestamptz := coalesce(at, now());
BEGIN
    SELECT v.viewer, v.emergency INTO found_viewer, found_emergency FROM viewer v
    WHERE (v.participant, v.role, v.purpose) = (given_participant, given_role, given_purpose);
    PERFORM set_config('exchange.viewer', coalesce(found_viewer::text, ''), true);
    PERFORM set_config('exchange.emergency', coalesce(found_emergency, false)::text, true);
    PERFORM set_config('exchange.participant', given_participant, true);
    PERFORM set_config('exchange.at', instant::text, true);
    RETURN instant;
END $$;
REVOKE ALL ON FUNCTION enter_view FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_view TO exchange_api;

GRANT SELECT ON resource, resource_history, disclosure, relationship, patient_edge TO exchange_api;
GRANT SELECT ON index_token, index_reference, index_date, index_string, index_quantity TO exchange_api;
GRANT SELECT (patient, fhir_id, golden_id, partner) ON patient TO exchange_api;

ALTER TABLE disclosure ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON disclosure FOR SELECT TO exchange_api USING (
    viewer = (SELECT current_viewer())
    AND valid_from <= (SELECT current_instant()) AND valid_until > (SELECT current_instant())
);

ALTER TABLE relationship ENABLE ROW LEVEL SECURITY;
-- A broken glass opens for the emergency it was broken for, and nothing else opens in an emergency.
CREATE POLICY own ON relationship FOR SELECT TO exchange_api USING (
    participant = (SELECT current_participant()) AND until > (SELECT current_instant())
    AND (basis = 'break-glass') = (SELECT current_emergency())
);

-- The two policies above say whose rows and when; these need not repeat it.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'resource', 'resource_history',
        'index_token', 'index_reference', 'index_date', 'index_string', 'index_quantity'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            $policy$
            CREATE POLICY disclosed ON %1$I FOR SELECT TO exchange_api USING (
                EXISTS (SELECT FROM disclosure d WHERE d.class = %1$I.class AND NOT d.needs_relationship)
                OR (
                    EXISTS (SELECT FROM relationship r WHERE r.patient = %1$I.patient)
                    AND EXISTS (SELECT FROM disclosure d WHERE d.class = %1$I.class AND d.needs_relationship)
                )
            )
            $policy$, name);
    END LOOP;
END $$;

-- An old version is shown to those who may see the version of today.
CREATE POLICY current ON resource_history AS RESTRICTIVE FOR SELECT TO exchange_api USING (
    EXISTS (
        SELECT FROM resource r
        WHERE (r.type, r.fhir_id, r.rendition)
            = (resource_history.type, resource_history.fhir_id, resource_history.rendition)
    )
);

-- A person is known to those who may see what at least one source says of him. A function with a plan of its
-- own: as a nested policy it would be planned anew, many levels deep, for every statement that mentions a Patient.
-- It repeats the policy of `resource`; a test compares the two.
CREATE FUNCTION sees_patient(given int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking int := current_viewer();
    moment timestamptz := current_instant();
BEGIN
    RETURN EXISTS (
        SELECT FROM patient p
        JOIN resource r ON r.type = 'Patient' AND r.fhir_id = p.fhir_id
        JOIN disclosure d ON d.viewer = asking AND d.class = r.class
        WHERE p.patient = given AND d.valid_from <= moment AND d.valid_until > moment
          AND (NOT d.needs_relationship OR EXISTS (
              SELECT FROM relationship s
              WHERE s.participant = current_participant() AND s.patient = given AND s.until > moment
                AND (s.basis = 'break-glass') = current_emergency()
          ))
    );
END $$;
REVOKE ALL ON FUNCTION sees_patient FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sees_patient TO exchange_api;

ALTER TABLE patient ENABLE ROW LEVEL SECURITY;
CREATE POLICY disclosed ON patient FOR SELECT TO exchange_api USING (sees_patient(patient));

ALTER TABLE patient_edge ENABLE ROW LEVEL SECURITY;
CREATE POLICY disclosed ON patient_edge FOR SELECT TO exchange_api USING (sees_patient(a) AND sees_patient(b));

-- What goes out as a file or by itself is a disclosure (consentaction `disclose`), an answer to a question is an
-- access; a consent or a rule may allow the one and not the other. A permit says for which of them it is, mostly
-- for both. Those written before were decided as accesses: nothing is sent until everything is decided again.
ALTER TABLE disclosure
    ADD COLUMN action text NOT NULL DEFAULT 'access' CHECK (action IN ('any', 'access', 'disclose')),
    DROP CONSTRAINT disclosure_pkey,
    ADD PRIMARY KEY (viewer, class, valid_from, action);
DELETE FROM ruling;

CREATE FUNCTION current_action() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('exchange.action', true), ''), 'access');

DROP FUNCTION enter_view;
CREATE FUNCTION enter_view(
    given_participant text, given_role text, given_purpose text, at timestamptz, action text DEFAULT 'access'
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
    PERFORM set_config('exchange.action', action, true);
    RETURN instant;
END $$;
REVOKE ALL ON FUNCTION enter_view FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_view TO exchange_api;

ALTER POLICY own ON disclosure USING (
    viewer = (SELECT current_viewer())
    AND valid_from <= (SELECT current_instant()) AND valid_until > (SELECT current_instant())
    AND action IN ('any', (SELECT current_action()))
);

-- The functions that repeat the policy.
CREATE OR REPLACE FUNCTION discloses(given_class int, given_patient int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM disclosure d
        WHERE d.viewer = current_viewer() AND d.class = given_class
          AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
          AND d.action IN ('any', current_action())
          AND (NOT d.needs_relationship OR EXISTS (
              SELECT FROM relationship s
              WHERE s.participant = current_participant() AND s.patient = given_patient
                AND s.until > current_instant() AND (s.basis = 'break-glass') = current_emergency()
          ))
    );
END $$;

CREATE OR REPLACE FUNCTION sees_patient(given int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM patient p
        JOIN resource r ON r.type = 'Patient' AND r.fhir_id = p.fhir_id
        JOIN disclosure d ON d.viewer = current_viewer() AND d.class = r.class
        WHERE p.patient = given AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
          AND d.action IN ('any', current_action())
          AND (NOT d.needs_relationship OR EXISTS (
              SELECT FROM relationship s
              WHERE s.participant = current_participant() AND s.patient = given
                AND s.until > current_instant() AND (s.basis = 'break-glass') = current_emergency()
          ))
    );
END $$;

CREATE OR REPLACE FUNCTION consent_scopes(given int[]) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT jsonb_build_object(
        'organizations', said.statement -> 'organizations',
        'purposes', said.statement #> '{root,purposes}',
        'period', said.statement #> '{root,period}'
    )
    FROM disclosure d
    JOIN disclosure_class c USING (class)
    JOIN consent_profile p USING (profile)
    CROSS JOIN LATERAL unnest(d.because) AS reason
    CROSS JOIN LATERAL (
        SELECT one.statement, row_number() OVER (ORDER BY together.n, one.n) - 1 AS position
        FROM jsonb_array_elements(p.body) WITH ORDINALITY AS together (statements, n),
             jsonb_array_elements(together.statements) WITH ORDINALITY AS one (statement, n)
    ) AS said
    WHERE d.class = ANY (given) AND d.viewer = current_viewer()
      AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
      AND d.action IN ('any', current_action())
      AND d.obligations @> '{consent-copy}'
      AND reason LIKE 'consent:%' AND split_part(reason, ':', 2)::int = said.position
      AND EXISTS (
          SELECT FROM resource r WHERE r.class = d.class AND (
              NOT d.needs_relationship OR EXISTS (
                  SELECT FROM relationship s
                  WHERE s.participant = current_participant() AND s.patient = r.patient
                    AND s.until > current_instant() AND (s.basis = 'break-glass') = current_emergency()
              )
          )
      )
$$;

-- A referral counts while the one it was sent to may see it himself.
CREATE OR REPLACE FUNCTION derive_stated_care(patients int[]) RETURNS void LANGUAGE plpgsql AS $$
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
            AND d.valid_until > moment AND d.action <> 'disclose'
        JOIN viewer v ON v.viewer = d.viewer AND v.participant = s.participant AND NOT v.emergency
        WHERE s.basis = 'referral' AND r.type = split_part(s.source, '/', 1)
            AND r.fhir_id = split_part(s.source, '/', 2)::uuid
    ) AS seen
    GROUP BY 1, 2, 3;
END $$;

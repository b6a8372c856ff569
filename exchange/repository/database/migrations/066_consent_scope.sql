-- What the consents say on which something shown to this viewer rests, where a copy of the consent, or a clear
-- explanation of its scope, has to go along (42 CFR 2.32(b)): who may disclose, for what, until when. Nobody is named.
CREATE FUNCTION consent_scopes(given int[]) RETURNS SETOF jsonb
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
REVOKE ALL ON FUNCTION consent_scopes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent_scopes TO exchange_api;

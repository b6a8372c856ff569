-- Which Consents say what stands at a position of a patient's profile. Profiles are shared by everybody who decided the
-- same, so a permit knows the position alone; whoever explains a disclosure names the Consent.
CREATE TABLE consent_said (
    patient int NOT NULL REFERENCES patient ON DELETE CASCADE,
    position int NOT NULL,
    consent uuid NOT NULL,                     -- fhir_id of the Consent
    PRIMARY KEY (patient, position, consent)
);

-- The consents by which a viewer is shown classes of people, by id, version and provision, for the log of what was
-- disclosed. Only of what the view shows; `about` are ids by which the viewer knows the people.
CREATE FUNCTION consents_shown(about uuid[], classes int[]) RETURNS TABLE (person uuid, class int, reason text, said text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT asked.about, asked.class, found.reason, concat_ws('/', s.consent, '_history/'
        || (extract(epoch FROM c.updated) * 1000000)::bigint) || ':' || split_part(found.reason, ':', 3)
    FROM unnest(about, classes) AS asked (about, class)
    JOIN patient known ON asked.about IN (known.fhir_id, known.golden_id)
    JOIN patient p ON p.person = known.person
    JOIN disclosure_class k ON k.class = asked.class AND k.profile = p.profile
    JOIN disclosure d ON d.class = k.class AND d.viewer = current_viewer()
        AND d.valid_from <= current_instant() AND d.valid_until > current_instant()
        AND d.action IN ('any', current_action())
    CROSS JOIN LATERAL (
        SELECT one AS reason, split_part(one, ':', 2) AS position FROM unnest(d.because) AS one
        WHERE one LIKE 'consent:%'
    ) AS found
    JOIN consent_said s ON s.patient = p.patient AND s.position::text = found.position
    LEFT JOIN resource c ON c.type = 'Consent' AND c.fhir_id = s.consent AND c.rendition = 0
    WHERE discloses(k.class, p.patient)
$$;
REVOKE ALL ON FUNCTION consents_shown FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consents_shown TO exchange_api;

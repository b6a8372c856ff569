-- Who gave a consent was not known where the Consent contains him, or names him by an identifier and a type: a parent's
-- counted as nobody's, and of somebody of age as his own.
ALTER TABLE directive DISABLE TRIGGER outbox;  -- nobody has to be told
UPDATE directive d SET body = d.body || '{"by": "other"}'
FROM resource r, convert_from(r.body, 'UTF8') AS written (text)
WHERE r.type = 'Consent' AND r.fhir_id = d.consent AND r.rendition = 0 AND coalesce(d.body ->> 'by', '') = ''
    AND (jsonb_path_exists(written.text::jsonb,
            '$.performer[*] ? (!exists(@.reference) && (@.type == "RelatedPerson" || @.type == "Patient"))')
        OR EXISTS (
            SELECT FROM jsonb_path_query(written.text::jsonb,
                '$.contained[*] ? (@.resourceType == "RelatedPerson" || @.resourceType == "Patient")') AS inner_one
            WHERE jsonb_path_exists(written.text::jsonb, '$.performer[*] ? (@.reference == $who)',
                jsonb_build_object('who', '#' || (inner_one ->> 'id')))));
ALTER TABLE directive ENABLE TRIGGER outbox;

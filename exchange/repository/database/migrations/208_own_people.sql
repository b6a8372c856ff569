-- Of whom a participant itself sends records is not many either, mostly: what it is shown without care because it sent it
-- opens a type no more than care does. Those people are its own Patients, and others of whom it sent something all the same.
CREATE INDEX patient_partner ON patient (partner);

CREATE TABLE sent_about (                      -- of Patients of somebody else
    partner text NOT NULL,
    patient int NOT NULL,
    PRIMARY KEY (partner, patient)
);
CREATE FUNCTION note_sent_about() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO sent_about
    SELECT DISTINCT a.partner, a.patient FROM added a JOIN patient p USING (patient)
    WHERE a.partner <> p.partner ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER stored_about AFTER INSERT ON resource REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_sent_about();
ALTER TABLE resource ENABLE ALWAYS TRIGGER stored_about;
INSERT INTO sent_about
SELECT DISTINCT r.partner, r.patient FROM resource r JOIN patient p USING (patient) WHERE r.partner <> p.partner;

-- Of whoever asks, so many at most: what it sent itself, so that nothing is told.
CREATE FUNCTION own_people(most int) RETURNS SETOF int
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
BEGIN
    RETURN QUERY
        SELECT p.patient FROM patient p WHERE p.partner = asking
        UNION ALL SELECT s.patient FROM sent_about s WHERE s.partner = asking LIMIT most;
END $$;
REVOKE ALL ON FUNCTION own_people FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own_people TO exchange_api;

-- As in migration 206, without what the viewer's own participant sent about people. A class without a profile is of
-- records about nobody.
CREATE OR REPLACE FUNCTION note_opened() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO opened
    SELECT a.viewer, c.type FROM added a JOIN disclosure_class c USING (class) JOIN viewer v ON v.viewer = a.viewer
    WHERE NOT a.needs_relationship AND (c.source <> v.participant OR c.profile IS NULL)
      AND NOT EXISTS (SELECT FROM opened o WHERE o.viewer = a.viewer AND o.type = c.type)
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
DELETE FROM opened;
INSERT INTO opened
SELECT DISTINCT d.viewer, c.type FROM disclosure d JOIN disclosure_class c USING (class) JOIN viewer v USING (viewer)
WHERE NOT d.needs_relationship AND (c.source <> v.participant OR c.profile IS NULL);
